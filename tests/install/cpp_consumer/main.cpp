// A program in C++ against the installed library, by the owners of leadline.hpp.
#include <leadline/leadline.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s MODEL\n", argv[0]), 2;

  leadline::Model model;
  leadline::Session session;
  leadline::ErrorText error;
  if (model.open_file(argv[1], error) != LEADLINE_OK || session.create(model, error) != LEADLINE_OK)
    return std::fprintf(stderr, "%s\n", error.text), 1;
  if (session.self_test() != LEADLINE_OK) return std::fprintf(stderr, "the self test failed\n"), 1;

  const int width = 64, height = 48;
  const std::vector<std::uint8_t> grey(3 * width * height, 128);
  std::vector<float> depth(session.output_values());
  if (session.run_rgb8(grey.data(), width, height, depth.data(), depth.size()) != LEADLINE_OK)
    return std::fprintf(stderr, "the run failed\n"), 1;

  // once more on two threads: the same bits
  leadline::Threads threads;
  if (threads.create(2) != LEADLINE_OK) return std::fprintf(stderr, "no threads\n"), 1;
  const leadline_runner runner = threads.runner();
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.runner = &runner;
  leadline::Session parallel;
  std::vector<float> again(depth.size());
  if (parallel.create(model, error, &options) != LEADLINE_OK ||
      parallel.run_rgb8(grey.data(), width, height, again.data(), again.size()) != LEADLINE_OK)
    return std::fprintf(stderr, "two threads: %s\n", error.text), 1;
  if (!std::equal(depth.begin(), depth.end(), again.begin()))
    return std::fprintf(stderr, "two threads give other numbers than one\n"), 1;

  const auto [nearest, farthest] = std::minmax_element(depth.begin(), depth.end());
  std::printf("%s: depth %.3f to %.3f m\n", model.info().name, *nearest, *farthest);
  // a file that isn't there is an error with a sentence, not a crash
  leadline::Model missing;
  return missing.open_file("no such file", error) == LEADLINE_IO_ERROR && error.text[0] ? 0 : 1;
}
