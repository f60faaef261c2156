// Opening a model file: mapped where the system can, else read. An archive member of its own, so that programs which
// keep their model in flash link no file functions.
#include "inference/src/engine.hpp"
#include "shared/core/large_pages.hpp"

#include <errno.h>

#if defined(__unix__) || defined(__APPLE__)
#define LEADLINE_HAVE_MMAP 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#include <stdio.h>
#endif

namespace leadline {
namespace {

/// A whole file in memory.
struct FileContent {
  void* data = nullptr;
  size_t bytes = 0;
  void (*release)(leadline_model* model) = nullptr;
  void (*forget)(const void* file, size_t bytes) = nullptr;
};

void release_block(leadline_model* model) {
  model->allocator.free(model->allocator.context, model->file, model->file_bytes);
}

Status fail(const char* what, Message* message) {
  *message << what;
  if (errno == ENOENT)
    *message << ": there is no such file; check the path";
  else if (errno == EACCES)
    *message << ": permission denied";
  else if (errno != 0)
    *message << ": system error " << errno;
  return Status::io_error;
}

#ifdef LEADLINE_HAVE_MMAP

void release_mapping(leadline_model* model) { munmap(model->file, model->file_bytes); }

// The mapping stays: what is read again comes back from the file.
void forget_pages(const void* file, size_t bytes) { madvise(const_cast<void*>(file), bytes, MADV_DONTNEED); }

Status read_all(int descriptor, const leadline_allocator& allocator, FileContent* content, Message* message) {
  content->data = allocator.alloc(allocator.context, content->bytes, model_alignment);
  content->release = release_block;
  if (!content->data) {
    *message << "the allocator gave no " << content->bytes << " bytes for the file";
    return Status::out_of_memory;
  }
  for (size_t done = 0; done < content->bytes;) {
    const ssize_t count = read(descriptor, static_cast<char*>(content->data) + done, content->bytes - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      if (count == 0) errno = 0; // it became shorter
      const Status status = fail("can't read the file to its end", message);
      allocator.free(allocator.context, content->data, content->bytes);
      return status;
    }
    done += static_cast<size_t>(count);
  }
  return Status::ok;
}

Status load(const char* path, const leadline_allocator& allocator, FileContent* content, Message* message) {
  errno = 0;
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // nobody may ever write to a pipe
  if (descriptor < 0) return fail("can't open the file", message);
  Status status = Status::ok;
  struct stat attributes;
  if (fstat(descriptor, &attributes) != 0) {
    status = fail("can't read the file's size", message);
  } else if (!S_ISREG(attributes.st_mode)) {
    errno = 0;
    status = fail(S_ISDIR(attributes.st_mode) ? "this is a folder, not a model file" : "this is not a regular file",
                  message);
  } else if (attributes.st_size == 0) {
    *message << "the file is empty; export the model again";
    status = Status::invalid_model;
  } else if (static_cast<uint64_t>(attributes.st_size) > SIZE_MAX / 2) {
    *message << "the file's " << attributes.st_size << " bytes don't fit this machine's address space";
    status = Status::overflow;
  } else {
    content->bytes = static_cast<size_t>(attributes.st_size);
    content->data = mmap(nullptr, content->bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    content->release = release_mapping;
    content->forget = forget_pages;
    if (content->data == MAP_FAILED) {
      content->forget = nullptr;
      status = read_all(descriptor, allocator, content, message);
    }
  }
  close(descriptor);
  return status;
}

void unload(const leadline_allocator& allocator, const FileContent& content) {
  if (content.release == release_mapping)
    munmap(content.data, content.bytes);
  else
    allocator.free(allocator.context, content.data, content.bytes);
}

#else

Status load(const char* path, const leadline_allocator& allocator, FileContent* content, Message* message) {
  errno = 0;
  FILE* file = fopen(path, "rb");
  if (!file) return fail("can't open the file", message);
  Status status = Status::ok;
  long bytes = -1;
  if (fseek(file, 0, SEEK_END) != 0 || (bytes = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0) {
    status = fail("can't read the file's size", message);
  } else if (bytes == 0) {
    *message << "the file is empty; export the model again";
    status = Status::invalid_model;
  } else {
    content->bytes = static_cast<size_t>(bytes);
    content->data = allocator.alloc(allocator.context, content->bytes, model_alignment);
    content->release = release_block;
    if (!content->data) {
      *message << "the allocator gave no " << content->bytes << " bytes for the file";
      status = Status::out_of_memory;
    } else if (fread(content->data, 1, content->bytes, file) != content->bytes) {
      status = fail("can't read the file to its end", message);
      allocator.free(allocator.context, content->data, content->bytes);
    }
  }
  fclose(file);
  return status;
}

void unload(const leadline_allocator& allocator, const FileContent& content) {
  allocator.free(allocator.context, content.data, content.bytes);
}

#endif

Status open_file(const char* path, const leadline_open_options& options, leadline_model** model, Message* message) {
  if (options.allocator && (!options.allocator->alloc || !options.allocator->free)) {
    *message << "allocator has a null function";
    return Status::invalid_argument;
  }
  const leadline_allocator allocator = choose_allocator(options.allocator);
  FileContent content;
  LEADLINE_TRY(load(path, allocator, &content, message));
  leadline_model* opened = nullptr;
  Status status = open_model(content.data, content.bytes, options, &opened, message, content.forget);
  if (status == Status::ok && opened->view.file_bytes != content.bytes) {
    *message << "model file: its header says " << opened->view.file_bytes << " bytes, but there are " << content.bytes
             << "; something was appended to it: copy or export it again";
    leadline_model_close(opened);
    status = Status::invalid_model;
  }
  if (status != Status::ok) {
    unload(allocator, content);
    return status;
  }
  opened->release = content.release;
  opened->forget = content.forget;
  opened->use_large_pages = advise_large_pages;
  opened->file = content.data;
  opened->file_bytes = content.bytes;
  *model = opened;
  return Status::ok;
}

} // namespace
} // namespace leadline

using namespace leadline;

leadline_status leadline_model_open_file(const char* path, const leadline_open_options* options, leadline_model** model,
                                         char* error, size_t error_bytes) {
  Message message(error, error_bytes);
  if (!path || !model) {
    message << (path ? "model" : "path") << " is null";
    return LEADLINE_INVALID_ARGUMENT;
  }
  leadline_open_options chosen;
  Status status = read_options(options, "leadline_open_options", &chosen, &message);
  if (status == Status::ok) {
    message << path << ": ";
    status = open_file(path, chosen, model, &message);
  }
  if (status == Status::ok) message.clear();
  return to_c(status);
}
