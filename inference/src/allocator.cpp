// The default allocator: the library's only use of the heap, for models that are opened without an allocator.
#include "inference/src/engine.hpp"

#include <stdlib.h>

namespace leadline {
namespace {

// malloc with any alignment: the block's own address is kept right before the aligned one.
void* default_alloc(void*, size_t bytes, size_t alignment) {
  if (bytes > SIZE_MAX - alignment - sizeof(void*)) return nullptr;
  void* block = malloc(bytes + alignment + sizeof(void*));
  if (!block) return nullptr;
  const uintptr_t first = reinterpret_cast<uintptr_t>(block) + sizeof(void*);
  unsigned char* aligned =
      static_cast<unsigned char*>(block) + sizeof(void*) + (alignment - first % alignment) % alignment;
  memcpy(aligned - sizeof(void*), &block, sizeof block);
  return aligned;
}

void default_free(void*, void* memory, size_t) {
  if (!memory) return;
  void* block;
  memcpy(&block, static_cast<unsigned char*>(memory) - sizeof(void*), sizeof block);
  free(block);
}

} // namespace

leadline_allocator choose_allocator(const leadline_allocator* given) {
  return given ? *given : leadline_allocator{nullptr, default_alloc, default_free};
}

} // namespace leadline
