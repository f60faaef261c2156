// Arrays on an exec for the trainer's tests: made from host values, read back as host values.
#pragma once

#include "shared/core/kokkos_exec.hpp"
#include "shared/core/tensor.hpp"

#include <vector>

namespace leadline::testing {

/// A dense tensor with memory of its own on DefaultExec.
template <class T> class ExecArray {
public:
  explicit ExecArray(const Shape& shape) : shape_(shape), data_("test", static_cast<size_t>(shape.count())) {}
  template <class U> ExecArray(const Shape& shape, const std::vector<U>& values) : ExecArray(shape) { set(values); }

  template <class U> void set(const std::vector<U>& values) {
    auto host = Kokkos::create_mirror_view(data_);
    for (size_t i = 0; i < host.size(); ++i) host(i) = static_cast<T>(values.at(i));
    Kokkos::deep_copy(data_, host);
  }
  std::vector<T> get() const { return read(Tensor<const T>(data_.data(), shape_)); }
  /// Values of any dense tensor in DefaultExec's memory.
  static std::vector<T> read(const Tensor<const T>& tensor) {
    Kokkos::View<const T*, DefaultExec::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>> view(
        tensor.data, static_cast<size_t>(tensor.shape.count()));
    auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), view);
    return std::vector<T>(host.data(), host.data() + host.size());
  }

  Tensor<T> tensor() const { return Tensor<T>(data_.data(), shape_); }
  Tensor<const T> view() const { return tensor(); }
  T* data() const { return data_.data(); }

private:
  Shape shape_;
  Kokkos::View<T*, DefaultExec::memory_space> data_;
};

} // namespace leadline::testing
