// Any bytes as a run configuration (trainer/option_parser.cpp): settings, or an Error; what was read can be written and
// read again, and means the same.
#include "data/error.hpp"
#include "trainer/option_parser.hpp"

#include <cstdint>
#include <cstdlib>

using namespace leadline;

namespace {

const std::vector<trainer::OptionGroup>& groups() {
  static const std::vector<trainer::OptionGroup> all = {{"Model",
                                                         {{"model.network", "unet", "", {"unet", "fastdepth"}},
                                                          {"model.channels", "16", ""},
                                                          {"model.size", "144x192", ""}}},
                                                        {"Train",
                                                         {{"train.epochs", "10", ""},
                                                          {"train.lr", "1e-3", ""},
                                                          {"train.betas", "0.9, 0.999", ""},
                                                          {"train.groups", "", ""},
                                                          {"train.callbacks", "", ""},
                                                          {"train.amp", "false", ""}}}};
  return all;
}

template <class F> void allow_error(const F& f) {
  try {
    f();
  } catch (const Error&) {
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  trainer::Settings settings(groups());
  try {
    trainer::read_settings_text(std::string(reinterpret_cast<const char*>(data), size), "run.ini", settings);
  } catch (const Error&) {
    return 0;
  }
  allow_error([&] { (void)settings.integer("train.epochs", 1, 1000); });
  allow_error([&] { (void)settings.real("train.lr", 0, 1); });
  allow_error([&] { (void)settings.reals("train.betas", 2); });
  allow_error([&] { (void)settings.boolean("train.amp"); });
  allow_error([&] { (void)settings.size("model.size"); });
  allow_error([&] { (void)settings.named_reals("train.groups"); });
  allow_error([&] { (void)settings.list("train.callbacks"); });
  for (const bool comments : {false, true}) {
    trainer::Settings again(groups());
    trainer::read_settings_text(settings.to_ini(comments), "again.ini", again);
    for (const std::string& key : settings.keys())
      if (again.text(key) != settings.text(key)) std::abort();
  }
  return 0;
}
