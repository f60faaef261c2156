// Any bytes as a list of pairs (data/pairs.cpp): a data set, or an Error; nothing else.
#include "data/error.hpp"
#include "data/sources.hpp"
#include "tests/fuzz/scratch_file.hpp"

namespace leadline::data {
void warn_skipped(const std::string&) {} // quietly
} // namespace leadline::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string& list = leadline::fuzz::scratch_file(data, size, ".txt");
  for (const auto on_bad : {leadline::data::OnBadSample::stop, leadline::data::OnBadSample::skip}) try {
      leadline::data::DatasetOptions options;
      options.on_bad_sample = on_bad;
      const leadline::data::DatasetPtr pairs = leadline::data::open_pairs(list, options);
      for (std::size_t i = 0; i < pairs->size() && i < 3; ++i) try {
          (void)pairs->load(i);
        } catch (const leadline::Error&) {
        }
    } catch (const leadline::Error&) {
    }
  return 0;
}
