// A lock on a folder that is trained in: two processes never write the same run.
#pragma once

#include <string>

namespace leadline::trainer {

/// Holds FOLDER/.lock while it lives. It is the system's lock on that file (flock), so it ends with the process,
/// however that ends; processes that this one starts hold it, too. Where the file system has no locks, nothing is
/// locked.
class FolderLock {
public:
  /// Waits at most `seconds` for it. `field`: the option that named the folder. Throws leadline::Error, with the number
  /// of the process that holds it.
  FolderLock(const std::string& folder, const std::string& field, int seconds = 0);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  const std::string& file() const { return file_; }

private:
  std::string file_;
  int handle_ = -1;
};

} // namespace leadline::trainer
