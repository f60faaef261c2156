// Threads for work of some ten microseconds: too short to put them to sleep in between and wake them up.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace leadline::trainer::mlp {

/// A fixed number of threads, the caller's among them. They wait for work actively for a short time and then sleep, so
/// that a team costs nothing while its owner does something else; give it no more threads than there are idle cores.
class Team {
public:
  explicit Team(int threads) : size_(threads) {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
  }
  ~Team() {
    task_ = nullptr;
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  /// task(i) on thread i, for all of them; returns when all are done. `task` must not throw.
  void run(const std::function<void(int)>& task) {
    if (size_ > 1) {
      task_ = &task;
      busy_.store(size_ - 1, std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
      round_.notify_all();
    }
    task(0);
    for (int tries = 0, left; (left = busy_.load(std::memory_order_acquire)) > 0; ++tries)
      if (tries > patience) busy_.wait(left, std::memory_order_acquire);
  }

private:
  static constexpr int patience = 20000;

  void work(int index) {
    for (unsigned seen = 0;;) {
      unsigned now;
      for (int tries = 0; (now = round_.load(std::memory_order_acquire)) == seen; ++tries)
        if (tries > patience) round_.wait(seen, std::memory_order_acquire);
      seen = now;
      if (!task_) return;
      (*task_)(index);
      if (busy_.fetch_sub(1, std::memory_order_release) == 1) busy_.notify_one();
    }
  }

  int size_;
  std::vector<std::thread> threads_;
  const std::function<void(int)>* task_ = nullptr;
  alignas(64) std::atomic<unsigned> round_{0};
  alignas(64) std::atomic<int> busy_{0};
};

} // namespace leadline::trainer::mlp
