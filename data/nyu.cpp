// NYU Depth V2 in its two HDF5 forms. The only file of data/ that sees HDF5.
#include "data/error.hpp"
#include "data/hdf5_lock.hpp"
#include "data/sources.hpp"

#include <hdf5.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <utility>

namespace leadline::data {
namespace {

namespace fs = std::filesystem;

/// Colour camera of the Kinect that recorded NYU Depth V2 (camera_params.m of the authors' toolbox), for 640x480
/// frames.
constexpr Intrinsics nyu_camera{518.857901f, 519.469611f, 325.582449f, 253.736166f};

/// Holds the lock and keeps HDF5 from printing its error stack; what the program had set comes back at the end.
class Hdf5Session {
public:
  Hdf5Session() : lock_(hdf5_mutex()) {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Hdf5Session() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  Hdf5Session(const Hdf5Session&) = delete;
  Hdf5Session& operator=(const Hdf5Session&) = delete;

private:
  std::lock_guard<std::recursive_mutex> lock_;
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// Owns an HDF5 identifier.
class Handle {
public:
  Handle() = default;
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }
  bool ok() const { return id_ >= 0; }

private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

/// HDF5's own words about the last failure: the innermost entry of its error stack.
std::string hdf5_reason() {
  std::string reason;
  const auto first = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    auto& text = *static_cast<std::string*>(out);
    if (text.empty() && entry->desc) text = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first, &reason);
  return reason.empty() ? "no reason given" : reason;
}

std::string dims_text(const std::vector<hsize_t>& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

/// Names in the file's root, for messages.
std::string root_names(hid_t file) {
  H5G_info_t info{};
  if (H5Gget_info(file, &info) < 0) return "nothing that can be listed";
  std::string names;
  for (hsize_t i = 0; i < std::min<hsize_t>(info.nlinks, 20); ++i) {
    char name[128] = {};
    if (H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT) > 0)
      names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names.empty() ? "nothing" : names;
}

Handle open_file(const std::string& file) {
  if (std::error_code ec; !fs::exists(file, ec))
    throw Error({.file = file, .reason = "there is no such file", .fix = "Check the path."});
  Handle handle(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!handle.ok())
    throw Error({.file = file,
                 .reason = "this is not a whole HDF5 file (" + hdf5_reason() + ")",
                 .fix = "Copy or download it again; an old .mat (before MATLAB 7.3) must be saved again with -v7.3."});
  return handle;
}

/// An open dataset whose shape and kind of numbers were checked.
struct Array {
  Handle handle;
  std::vector<hsize_t> dims;
};

enum class Kind { bytes, floats };

Array open_array(hid_t file, const std::string& path, const char* name, std::size_t rank, Kind kind,
                 const char* expected) {
  Array array{Handle(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose), {}};
  if (const std::string reason = hdf5_reason(); !array.handle.ok()) {
    if (H5Lexists(file, name, H5P_DEFAULT) > 0) // it is listed, but what the list points to is damaged
      throw Error({.file = path,
                   .field = name,
                   .reason = "it can't be opened (" + reason + ")",
                   .fix = "The file is damaged: copy or download it again."});
    throw Error({.file = path,
                 .field = name,
                 .reason = "there is no such dataset in this file; it has: " + root_names(file),
                 .fix = std::string("Expected is ") + expected});
  }
  const Handle space(H5Dget_space(array.handle), H5Sclose);
  const Handle type(H5Dget_type(array.handle), H5Tclose);
  const int found_rank = H5Sget_simple_extent_ndims(space);
  array.dims.resize(static_cast<std::size_t>(std::max(found_rank, 0)));
  if (!array.dims.empty()) H5Sget_simple_extent_dims(space, array.dims.data(), nullptr);
  const H5T_class_t found_class = H5Tget_class(type);
  const std::size_t bytes = H5Tget_size(type);
  const bool kind_fits = kind == Kind::bytes ? found_class == H5T_INTEGER && bytes == 1 : found_class == H5T_FLOAT;
  if (array.dims.size() != rank || !kind_fits) {
    const std::string found_kind = found_class == H5T_INTEGER ? "integers"
                                   : found_class == H5T_FLOAT ? "floats"
                                                              : "values";
    throw Error({.file = path,
                 .field = name,
                 .value = dims_text(array.dims) + " " + found_kind + " of " + std::to_string(8 * bytes) + " bits",
                 .reason = "shape or type don't fit",
                 .fix = std::string("Expected is ") + expected});
  }
  return array;
}

void check_frame(const std::string& path, hsize_t height, hsize_t width) {
  if (height < 1 || width < 1 || height > max_image_side || width > max_image_side)
    throw Error({.file = path,
                 .field = "frame size",
                 .value = std::to_string(width) + "x" + std::to_string(height),
                 .reason = "sides must be 1 to " + std::to_string(max_image_side) + " pixels"});
}

/// Reads the block that starts at `start` with extent `count`; `type` is the type in memory.
void read_block(const Array& array, const std::string& path, const char* name, const std::vector<hsize_t>& start,
                const std::vector<hsize_t>& count, hid_t type, void* out) {
  const Handle file_space(H5Dget_space(array.handle), H5Sclose);
  const Handle memory_space(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose);
  if (H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) < 0 ||
      H5Dread(array.handle, type, memory_space, file_space, H5P_DEFAULT, out) < 0)
    throw Error({.file = path,
                 .field = name,
                 .reason = "it can't be read (" + hdf5_reason() + ")",
                 .fix = "The file is damaged or cut: copy or download it again."});
}

void require_some_depth(const std::string& where, std::vector<float>& depth) {
  if (clean_depth(depth) == 0)
    throw Error({.file = where,
                 .field = "depth",
                 .reason = "all of its pixels are 0 = no measurement",
                 .fix = "Take this frame out of the data."});
}

class NyuH5 final : public Dataset {
public:
  NyuH5(fs::path root, std::vector<std::string> files) : root_(std::move(root)), files_(std::move(files)) {}

  std::size_t size() const override { return files_.size(); }
  std::string name(std::size_t i) const override { return files_.at(i); }

  Sample load(std::size_t i) const override {
    const std::string path = (root_ / files_.at(i)).string();
    Sample sample;
    std::vector<std::uint8_t> planes;
    {
      const Hdf5Session session;
      const Handle file = open_file(path);
      const Array rgb = open_array(file, path, "rgb", 3, Kind::bytes, "rgb uint8 [3, H, W]");
      const Array depth = open_array(file, path, "depth", 2, Kind::floats, "depth float32 [H, W] in metres");
      const hsize_t height = depth.dims[0], width = depth.dims[1];
      if (rgb.dims != std::vector<hsize_t>{3, height, width})
        throw Error({.file = path,
                     .field = "rgb",
                     .value = dims_text(rgb.dims),
                     .reason = "it doesn't match depth " + dims_text(depth.dims),
                     .fix = "Expected is rgb [3, H, W] and depth [H, W]."});
      check_frame(path, height, width);
      sample.height = static_cast<int>(height);
      sample.width = static_cast<int>(width);
      planes.resize(3 * sample.pixels());
      sample.depth.resize(sample.pixels());
      read_block(rgb, path, "rgb", {0, 0, 0}, {3, height, width}, H5T_NATIVE_UINT8, planes.data());
      read_block(depth, path, "depth", {0, 0}, {height, width}, H5T_NATIVE_FLOAT, sample.depth.data());
      sample.intrinsics = camera(file, height, width);
    }
    const std::size_t n = sample.pixels();
    sample.rgb.resize(3 * n);
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t k = 0; k < n; ++k) sample.rgb[3 * k + c] = planes[c * n + k];
    require_some_depth(path, sample.depth);
    sample.name = path;
    return sample;
  }

private:
  /// The attribute that `leadline data convert` writes, else NYU's own camera for frames of its size.
  static Intrinsics camera(hid_t file, hsize_t height, hsize_t width) {
    if (H5Aexists(file, "intrinsics") > 0) {
      const Handle attribute(H5Aopen(file, "intrinsics", H5P_DEFAULT), H5Aclose);
      const Handle space(H5Aget_space(attribute), H5Sclose);
      std::array<float, 4> values{};
      if (H5Sget_simple_extent_npoints(space) != 4 || H5Aread(attribute, H5T_NATIVE_FLOAT, values.data()) < 0)
        return {};
      return {values[0], values[1], values[2], values[3]};
    }
    return height == 480 && width == 640 ? nyu_camera : Intrinsics{};
  }

  fs::path root_;
  std::vector<std::string> files_; // relative to root_, sorted
};

class NyuMat final : public Dataset {
public:
  explicit NyuMat(std::string path) : path_(std::move(path)) {
    const Hdf5Session session; // first, so that whatever an error leaves behind is closed under the lock
    Handle file = open_file(path_);
    Array images =
        open_array(file, path_, "images", 4, Kind::bytes, "images uint8 [N, 3, W, H] (MATLAB's H x W x 3 x N)");
    Array depths = open_array(file, path_, "depths", 3, Kind::floats, "depths single [N, W, H] (MATLAB's H x W x N)");
    const auto& i = images.dims;
    const auto& d = depths.dims;
    if (i[1] != 3 || i[0] != d[0] || i[2] != d[1] || i[3] != d[2] || i[0] == 0)
      throw Error({.file = path_,
                   .field = "images, depths",
                   .value = dims_text(i) + " and " + dims_text(d),
                   .reason = "the two don't belong together",
                   .fix = "Expected is images [N, 3, W, H] and depths [N, W, H]."});
    check_frame(path_, i[3], i[2]);
    file_ = std::move(file);
    images_ = std::move(images);
    depths_ = std::move(depths);
  }
  ~NyuMat() override {
    const Hdf5Session session; // handles are closed under the lock
    images_ = {};
    depths_ = {};
    file_ = Handle();
  }

  std::size_t size() const override { return static_cast<std::size_t>(images_.dims[0]); }
  std::string name(std::size_t i) const override { return path_ + "/" + std::to_string(i); }

  Sample load(std::size_t i) const override {
    const hsize_t width = images_.dims[2], height = images_.dims[3];
    Sample sample;
    sample.height = static_cast<int>(height);
    sample.width = static_cast<int>(width);
    sample.name = path_ + ": frame " + std::to_string(i);
    const std::size_t n = sample.pixels(), h = height, w = width;
    std::vector<std::uint8_t> planes(3 * n);
    std::vector<float> columns(n);
    {
      const Hdf5Session session;
      read_block(images_, sample.name, "images", {i, 0, 0, 0}, {1, 3, width, height}, H5T_NATIVE_UINT8, planes.data());
      read_block(depths_, sample.name, "depths", {i, 0, 0}, {1, width, height}, H5T_NATIVE_FLOAT, columns.data());
    }
    sample.rgb.resize(3 * n);
    sample.depth.resize(n);
    for (std::size_t x = 0; x < w; ++x) // MATLAB stores columns
      for (std::size_t y = 0; y < h; ++y) {
        for (std::size_t c = 0; c < 3; ++c) sample.rgb[3 * (y * w + x) + c] = planes[c * n + x * h + y];
        sample.depth[y * w + x] = columns[x * h + y];
      }
    require_some_depth(sample.name, sample.depth);
    if (height == 480 && width == 640) sample.intrinsics = nyu_camera;
    return sample;
  }

private:
  std::string path_;
  Handle file_;
  Array images_, depths_;
};

std::vector<std::string> h5_files_below(const fs::path& root) {
  std::vector<std::string> files;
  std::error_code ec;
  for (fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, ec), end;
       it != end && !ec; it.increment(ec))
    if (it->path().extension() == ".h5" && it->is_regular_file(ec))
      files.push_back(it->path().lexically_relative(root).generic_string());
  std::sort(files.begin(), files.end()); // the order of a folder's entries differs between file systems
  return files;
}

} // namespace

std::recursive_mutex& hdf5_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

DatasetPtr open_nyu_h5(const std::string& folder, const std::string& split) {
  fs::path root = folder;
  std::error_code ec;
  if (!fs::is_directory(root, ec))
    throw Error({.file = folder,
                 .reason = fs::exists(root, ec) ? "nyu_h5 wants the folder that holds the .h5 files, not a file"
                                                : "there is no such folder",
                 .fix = "Check the path after \"nyu_h5:\"."});
  const auto has = [&](const char* name) { return fs::is_directory(root / name, ec); };
  if (!has("train") && !has("val") && has("nyudepthv2")) // the folder that the published archive unpacks to
    root /= "nyudepthv2";
  const bool train = has("train"), val = has("val");
  if (!split.empty() && split != "train" && split != "val")
    throw Error({.field = "split",
                 .value = split,
                 .reason = "there is no such split",
                 .fix = "Write split=train or split=val"});
  if (split.empty() && train && val)
    throw Error({.file = root.string(),
                 .field = "split",
                 .reason = "the folder has both train and val, and none is chosen",
                 .fix = "Write nyu_h5:" + folder + ",split=train or nyu_h5:" + folder + ",split=val"});
  if (!split.empty()) {
    if (!(split == "train" ? train : val))
      throw Error({.file = root.string(),
                   .field = "split",
                   .value = split,
                   .reason = "the folder has no sub-folder of this name",
                   .fix = "Leave split out to use all .h5 files below the folder."});
    root /= split;
  }
  std::vector<std::string> files = h5_files_below(root);
  if (files.empty())
    throw Error({.file = root.string(),
                 .reason = "there is no .h5 file in this folder or below",
                 .fix = "It should hold SCENE/00001.h5 and so on; see data/docs/datasets.md."});
  return std::make_shared<NyuH5>(std::move(root), std::move(files));
}

DatasetPtr open_nyu_mat(const std::string& file) {
  if (std::error_code ec; fs::is_directory(file, ec))
    throw Error({.file = file,
                 .reason = "this is a folder; nyu_mat wants nyu_depth_v2_labeled.mat",
                 .fix = "A folder of .h5 files is nyu_h5:" + file});
  return std::make_shared<NyuMat>(file);
}

void write_nyu_h5(const std::string& file, const Sample& sample) {
  const std::string partial = file + ".partial";
  const std::size_t n = sample.pixels();
  std::vector<std::uint8_t> planes(3 * n);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t k = 0; k < n; ++k) planes[c * n + k] = sample.rgb[3 * k + c];
  const Hdf5Session session;
  std::string reason;
  {
    const Handle out(H5Fcreate(partial.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
    const auto write = [&](const char* name, const std::vector<hsize_t>& dims, hid_t disk_type, hid_t type,
                           const void* values) {
      const Handle space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose);
      const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
      H5Pset_chunk(properties, static_cast<int>(dims.size()), dims.data());
      H5Pset_shuffle(properties);
      H5Pset_deflate(properties, 4);
      const Handle array(H5Dcreate2(out, name, disk_type, space, H5P_DEFAULT, properties, H5P_DEFAULT), H5Dclose);
      const bool written = array.ok() && H5Dwrite(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
      if (!written) reason = hdf5_reason(); // now: closing the handles clears it
      return written;
    };
    const hsize_t h = static_cast<hsize_t>(sample.height), w = static_cast<hsize_t>(sample.width), four = 4;
    const float camera[4] = {sample.intrinsics.fx, sample.intrinsics.fy, sample.intrinsics.cx, sample.intrinsics.cy};
    bool ok = out.ok() && write("rgb", {3, h, w}, H5T_STD_U8LE, H5T_NATIVE_UINT8, planes.data()) &&
              write("depth", {h, w}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, sample.depth.data());
    if (ok) {
      const Handle space(H5Screate_simple(1, &four, nullptr), H5Sclose);
      const Handle attribute(H5Acreate2(out, "intrinsics", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
      ok = attribute.ok() && H5Awrite(attribute, H5T_NATIVE_FLOAT, camera) >= 0 && H5Fflush(out, H5F_SCOPE_LOCAL) >= 0;
    }
    if (!ok && reason.empty()) reason = hdf5_reason();
  }
  if (reason.empty() && std::rename(partial.c_str(), file.c_str()) != 0) reason = "it can't be renamed from " + partial;
  if (!reason.empty()) {
    std::remove(partial.c_str());
    throw Error({.file = file,
                 .reason = "it can't be written (" + reason + ")",
                 .fix = "Check that the folder exists and the disk has room."});
  }
}

} // namespace leadline::data
