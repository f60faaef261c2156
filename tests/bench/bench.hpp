// What the benchmarks share: a clock, the spread of repeated measurements, memory, command lines.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <time.h>
#include <vector>

namespace leadline::bench {

/// Seconds on a clock that only goes forward.
inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds of work that this process's threads did. On a busy machine this, with one thread, is what can be compared.
inline double cpu_now() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}
using Clock = double (*)();

/// Repeated measurements of one thing. A single number would hide the noise: tables show min, median and spread.
class Times {
public:
  void add(double seconds) { values_.insert(std::upper_bound(values_.begin(), values_.end(), seconds), seconds); }
  size_t count() const { return values_.size(); }
  double min() const { return quantile(0); }
  double median() const { return quantile(0.5); }
  /// The nearest measurement; 0 without any.
  double quantile(double q) const {
    if (values_.empty()) return 0;
    return values_[static_cast<size_t>(q * static_cast<double>(values_.size() - 1) + 0.5)];
  }
  /// Half of the distance between the 10th and the 90th percentile, relative to the median.
  double spread() const { return median() > 0 ? (quantile(0.9) - quantile(0.1)) / 2 / median() : 0; }

private:
  std::vector<double> values_; // sorted
};

/// The most memory that this process ever had in RAM, MiB; 0 where /proc doesn't say. (Not getrusage: that is inherited
/// from the program that started this one.)
inline double peak_rss_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      double kib = 0;
      status >> kib;
      return kib / 1024;
    }
  return 0;
}

[[noreturn]] inline void usage_error(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  std::exit(2);
}

/// `--name value` pairs and what stands alone, for the programs that link nothing but the edge library.
class Arguments {
public:
  Arguments(int argc, char** argv, const std::vector<std::string>& known) {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word.rfind("--", 0) != 0) {
        operands_.push_back(word);
        continue;
      }
      const std::string name = word.substr(2);
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        std::string all;
        for (const std::string& k : known) all += " --" + k;
        usage_error("there is no option " + word + "; known:" + all);
      }
      if (i + 1 >= argc) usage_error(word + " wants a value");
      values_.emplace_back(name, argv[++i]);
    }
  }
  const std::vector<std::string>& operands() const { return operands_; }
  std::string text(const std::string& name, const std::string& otherwise) const {
    for (const auto& [key, value] : values_)
      if (key == name) return value;
    return otherwise;
  }
  double number(const std::string& name, double otherwise) const {
    const std::string value = text(name, "");
    return value.empty() ? otherwise : parse(name, value);
  }
  int integer(const std::string& name, int otherwise) const { return static_cast<int>(number(name, otherwise)); }
  /// --clock wall or cpu
  Clock clock() const {
    const std::string name = text("clock", "wall");
    if (name != "wall" && name != "cpu") usage_error("--clock is \"" + name + "\": wall or cpu is wanted");
    return name == "cpu" ? cpu_now : now;
  }
  /// "1,2"
  std::vector<int> integers(const std::string& name, const std::string& otherwise) const {
    std::vector<int> all;
    for (const std::string& part : texts(name, otherwise)) all.push_back(static_cast<int>(parse(name, part)));
    return all;
  }
  std::vector<std::string> texts(const std::string& name, const std::string& otherwise) const {
    std::vector<std::string> all;
    const std::string list = text(name, otherwise);
    for (size_t at = 0; at <= list.size() && !list.empty();) {
      const size_t comma = std::min(list.find(',', at), list.size());
      all.push_back(list.substr(at, comma - at));
      at = comma + 1;
    }
    return all;
  }

private:
  static double parse(const std::string& name, const std::string& value) {
    double number = 0;
    const auto result = std::from_chars(value.data(), value.data() + value.size(), number);
    if (result.ec != std::errc() || result.ptr != value.data() + value.size() || !(number >= 0 && number <= 1e9))
      usage_error("--" + name + " is \"" + value + "\": a number from 0 to 1e9 is wanted");
    return number;
  }

  std::vector<std::pair<std::string, std::string>> values_;
  std::vector<std::string> operands_;
};

} // namespace leadline::bench
