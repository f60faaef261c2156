#include "trainer/folder_lock.hpp"

#include "data/error.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace leadline::trainer {

FolderLock::FolderLock(const std::string& folder, const std::string& field, int seconds) : file_(folder + "/.lock") {
  handle_ = open(file_.c_str(), O_RDWR | O_CREAT, 0666);
  if (handle_ < 0)
    throw Error({.file = folder,
                 .field = field,
                 .reason = std::string("the folder can't be written: ") + std::strerror(errno),
                 .fix = "Choose a place that you may write to"});
  constexpr int tries_a_second = 50;
  for (int tries = 0; flock(handle_, LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return; // this file system has no locks
    if (tries >= seconds * tries_a_second) {
      char pid[24] = "";
      const ssize_t length = pread(handle_, pid, sizeof pid - 1, 0);
      close(handle_);
      throw Error({.file = folder,
                   .field = field,
                   .reason = "this folder is being trained by another process" +
                             (length > 0 ? " (pid " + std::string(pid, static_cast<size_t>(length)) + ")" : ""),
                   .fix = "Wait for it or stop it, or choose another folder"});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1000 / tries_a_second));
  }
  // For the message above. A disk that is full leaves it out, and the lock is held all the same.
  const std::string pid = std::to_string(getpid());
  if (ftruncate(handle_, 0) != 0 || pwrite(handle_, pid.data(), pid.size(), 0) < 0) errno = 0;
}

FolderLock::~FolderLock() { close(handle_); }

} // namespace leadline::trainer
