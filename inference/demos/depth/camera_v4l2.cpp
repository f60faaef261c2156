// Cameras of Video4Linux: plain ioctl, buffers mapped by mmap. Elsewhere: a message.
#include "data/error.hpp"
#include "inference/demos/depth/input_camera.hpp"

#if defined(__linux__)
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace leadline::demo {

namespace {

constexpr int wait_milliseconds = 2000;

class V4l2 final : public CaptureDevice {
public:
  V4l2(const std::string& path, int width, int height) : path_(path) {
    descriptor_ = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (descriptor_ < 0) fail(errno);
    try {
      start(width, height);
    } catch (...) {
      close_all();
      throw;
    }
  }
  ~V4l2() override { close_all(); }
  V4l2(const V4l2&) = delete;
  V4l2& operator=(const V4l2&) = delete;

  std::string name() const override { return path_; }
  Format format() const override { return format_; }

  Outcome grab(std::vector<std::uint8_t>& bytes) override {
    pollfd wait{descriptor_, POLLIN, 0};
    const int ready = ::poll(&wait, 1, wait_milliseconds);
    if (ready == 0 || (ready < 0 && errno == EINTR)) return Outcome::timeout;
    if (ready < 0) fail(errno);
    // The newest of what waits: a slow network shows what is, not what was.
    bool have = false;
    for (;;) {
      v4l2_buffer buffer = empty_buffer();
      if (ask(VIDIOC_DQBUF, &buffer) != 0) {
        if (errno == ENODEV) return Outcome::gone;
        if (errno == EAGAIN) break;
        if (errno == EIO) return Outcome::timeout; // lost in transfer
        fail(errno);
      }
      if (buffer.index < buffers_.size() && (buffer.flags & V4L2_BUF_FLAG_ERROR) == 0) {
        const auto* begin = static_cast<const std::uint8_t*>(buffers_[buffer.index].address);
        bytes.assign(begin, begin + std::min<std::size_t>(buffer.bytesused, buffers_[buffer.index].size));
        have = true;
      }
      if (ask(VIDIOC_QBUF, &buffer) != 0) {
        if (errno == ENODEV) return Outcome::gone;
        fail(errno);
      }
    }
    if (!have && (wait.revents & (POLLERR | POLLHUP)) != 0) return Outcome::gone;
    return have ? Outcome::frame : Outcome::timeout;
  }

private:
  struct Buffer {
    void* address;
    std::size_t size;
  };

  [[noreturn]] void fail(int error) const {
    const CameraTrouble trouble = camera_trouble(error);
    throw Error({.file = path_, .reason = trouble.reason, .fix = trouble.fix});
  }

  int ask(unsigned long request, void* argument) const {
    int result = 0;
    do result = ::ioctl(descriptor_, request, argument);
    while (result != 0 && errno == EINTR);
    return result;
  }

  static v4l2_buffer empty_buffer() {
    v4l2_buffer buffer{};
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    return buffer;
  }

  void start(int width, int height) {
    v4l2_capability capability{};
    if (ask(VIDIOC_QUERYCAP, &capability) != 0) fail(errno);
    const unsigned can =
        capability.capabilities & V4L2_CAP_DEVICE_CAPS ? capability.device_caps : capability.capabilities;
    if ((can & V4L2_CAP_VIDEO_CAPTURE) == 0 || (can & V4L2_CAP_STREAMING) == 0) fail(ENOTTY);

    // YUYV needs no decoder; where a camera hasn't got it, or only smaller, Motion JPEG.
    for (const unsigned pixels : {V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_MJPEG}) {
      v4l2_format format{};
      format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
      format.fmt.pix.width = static_cast<unsigned>(width);
      format.fmt.pix.height = static_cast<unsigned>(height);
      format.fmt.pix.pixelformat = pixels;
      format.fmt.pix.field = V4L2_FIELD_ANY;
      if (ask(VIDIOC_S_FMT, &format) != 0) {
        if (errno == EINVAL) continue;
        fail(errno);
      }
      const v4l2_pix_format& got = format.fmt.pix;
      if (got.pixelformat != pixels || got.width < 1 || got.height < 1 || got.width > max_image_side ||
          got.height > max_image_side)
        continue;
      format_.pixels = pixels == V4L2_PIX_FMT_YUYV ? Pixels::yuyv : Pixels::mjpeg;
      format_.width = static_cast<int>(got.width);
      format_.height = static_cast<int>(got.height);
      format_.row_bytes = got.bytesperline;
      break;
    }
    if (format_.width == 0)
      throw Error({.file = path_,
                   .reason = "the camera has neither YUYV nor Motion JPEG",
                   .fix = "`v4l2-ctl --list-formats-ext` lists what it has; ffmpeg can convert it to a pipe of "
                          "YUV4MPEG2 that this program reads from `-`"});
    v4l2_streamparm rate{};
    rate.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (ask(VIDIOC_G_PARM, &rate) == 0 && rate.parm.capture.timeperframe.numerator != 0) {
      format_.rate[0] = static_cast<int>(rate.parm.capture.timeperframe.denominator);
      format_.rate[1] = static_cast<int>(rate.parm.capture.timeperframe.numerator);
    }

    v4l2_requestbuffers request{};
    request.count = 4;
    request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    request.memory = V4L2_MEMORY_MMAP;
    if (ask(VIDIOC_REQBUFS, &request) != 0) fail(errno);
    for (unsigned i = 0; i < request.count; ++i) {
      v4l2_buffer buffer = empty_buffer();
      buffer.index = i;
      if (ask(VIDIOC_QUERYBUF, &buffer) != 0) fail(errno);
      void* address = ::mmap(nullptr, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_,
                             static_cast<off_t>(buffer.m.offset));
      if (address == MAP_FAILED) fail(errno);
      buffers_.push_back({address, buffer.length});
      if (ask(VIDIOC_QBUF, &buffer) != 0) fail(errno);
    }
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (ask(VIDIOC_STREAMON, &type) != 0) fail(errno);
  }

  void close_all() {
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (!buffers_.empty()) ask(VIDIOC_STREAMOFF, &type);
    for (const Buffer& buffer : buffers_) ::munmap(buffer.address, buffer.size);
    buffers_.clear();
    ::close(descriptor_);
  }

  std::string path_;
  int descriptor_ = -1;
  Format format_;
  std::vector<Buffer> buffers_;
};

} // namespace

std::unique_ptr<Source> open_camera(const std::string& device, int width, int height) {
  return capture_from(std::make_unique<V4l2>(device, width, height));
}

} // namespace leadline::demo

#else

namespace leadline::demo {

std::unique_ptr<Source> open_camera(const std::string& device, int, int) {
  throw Error({.file = device,
               .reason = "cameras are read on Linux alone",
               .fix = "Pipe a video in: ffmpeg ... -f yuv4mpegpipe - | leadline-depth MODEL - --view"});
}

} // namespace leadline::demo

#endif
