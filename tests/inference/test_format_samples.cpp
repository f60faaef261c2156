// Files that were written when their format version was frozen open for ever, and give the answers that were recorded
// then.
#include "tests/inference/format_samples.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace leadline;
using namespace leadline::test;

TEST_CASE("sample files of every format version open and give their recorded answers") {
  const char* root = std::getenv("LEADLINE_SOURCE_DIR");
  const std::filesystem::path folder = std::filesystem::path(root ? root : ".") / "tests/inference/data";
  int samples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".lead") continue;
    CAPTURE(entry.path().string());
    ++samples;
    std::filesystem::path answers = entry.path();
    answers.replace_extension(".txt");
    std::ifstream file(answers);
    size_t count = 0;
    double tolerance = 0;
    REQUIRE(file >> count >> tolerance);
    std::vector<double> recorded(count);
    double largest = 0;
    for (double& value : recorded) {
      std::string text;
      REQUIRE(file >> text); // streams don't read hexadecimal floats
      value = std::strtod(text.c_str(), nullptr);
      largest = std::fmax(largest, std::fabs(value));
    }
    REQUIRE(largest > 0);

    Model model;
    ErrorText error;
    const leadline_status opened = model.open_file(entry.path().c_str(), error);
    CAPTURE(error.text);
    REQUIRE(opened == LEADLINE_OK);
    for (const char* algorithm : {static_cast<const char*>(nullptr), "portable"}) {
      leadline_session_options options{};
      options.struct_size = sizeof options;
      options.algorithm = algorithm;
      Session session;
      REQUIRE(session.create(model, error, &options) == LEADLINE_OK);
      CHECK(session.self_test() == LEADLINE_OK);
      const std::vector<float> input = sample_input(session.info());
      std::vector<float> output(session.output_values());
      REQUIRE(output.size() == count);
      REQUIRE(session.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_OK);
      double error_of = 0;
      for (size_t i = 0; i < count; ++i) {
        const double difference = std::fabs(static_cast<double>(output[i]) - recorded[i]);
        if (!(difference <= error_of)) error_of = difference;
      }
      CHECK(error_of <= tolerance * largest);
    }
  }
  REQUIRE(samples > 0);
}
