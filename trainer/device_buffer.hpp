// Bytes that belong to an exec.
#pragma once

#include "shared/core/kokkos_exec.hpp"
#include "shared/core/large_pages.hpp"
#include "shared/core/tensor.hpp"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace leadline::trainer {

/// Owns uninitialised bytes in an exec's memory, 64-byte aligned. Movable. Throws when memory is short.
template <class Exec> class DeviceBuffer;

template <> class DeviceBuffer<HostExec> {
public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(const HostExec&, size_t bytes)
      : data_(static_cast<unsigned char*>(std::aligned_alloc(workspace_alignment, align_up(bytes ? bytes : 1)))),
        bytes_(bytes) {
    if (!data_) throw std::bad_alloc();
    advise_large_pages(data_.get(), bytes);
  }
  unsigned char* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

private:
  struct Free {
    void operator()(unsigned char* p) const { std::free(p); }
  };
  std::unique_ptr<unsigned char, Free> data_;
  size_t bytes_ = 0;
};

template <class Space> class DeviceBuffer<KokkosExec<Space>> {
public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(const KokkosExec<Space>& exec, size_t bytes)
      : view_(Kokkos::view_alloc(exec.instance(), "leadline::buffer", Kokkos::WithoutInitializing), bytes) {
    if constexpr (std::is_same_v<typename Space::memory_space, Kokkos::HostSpace>)
      advise_large_pages(view_.data(), bytes);
  }
  unsigned char* data() const { return view_.data(); }
  size_t bytes() const { return view_.size(); }

private:
  Kokkos::View<unsigned char*, typename Space::memory_space> view_;
};

/// Copies between the host and an exec's memory; returns when done.
inline void copy_to_exec(const HostExec&, void* to, const void* from, size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
inline void copy_to_host(const HostExec&, void* to, const void* from, size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
template <class Space>
using DeviceBytes = Kokkos::View<unsigned char*, typename Space::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
template <class Space>
using DeviceConstBytes =
    Kokkos::View<const unsigned char*, typename Space::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

template <class Space> void copy_to_exec(const KokkosExec<Space>& exec, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  Kokkos::deep_copy(
      exec.instance(), DeviceBytes<Space>(static_cast<unsigned char*>(to), bytes),
      DeviceConstBytes<Kokkos::DefaultHostExecutionSpace>(static_cast<const unsigned char*>(from), bytes));
  exec.fence();
}
template <class Space> void copy_to_host(const KokkosExec<Space>& exec, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  Kokkos::deep_copy(exec.instance(),
                    DeviceBytes<Kokkos::DefaultHostExecutionSpace>(static_cast<unsigned char*>(to), bytes),
                    DeviceConstBytes<Space>(static_cast<const unsigned char*>(from), bytes));
  exec.fence();
}

} // namespace leadline::trainer
