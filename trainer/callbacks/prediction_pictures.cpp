#include "trainer/callbacks/prediction_pictures.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"
#include "data/picture.hpp"

#include <cstdio>
#include <filesystem>

namespace leadline::trainer {

void PredictionPictures::on_epoch_end(const EpochReport& report, RunControl&) {
  if (report.predictions.empty()) return;
  std::vector<data::SheetRow> rows;
  for (const Prediction& p : report.predictions) {
    data::SheetRow row;
    row.image = data::RgbImage(p.height, p.width);
    row.image.rgb = p.rgb;
    row.depth = p.depth;
    row.prediction = p.prediction;
    row.caption = std::filesystem::path(p.name).filename().string();
    rows.push_back(std::move(row));
  }
  char name[32];
  std::snprintf(name, sizeof name, "/epoch_%03lld.png", static_cast<long long>(report.epoch));
  const data::RgbImage sheet = data::contact_sheet(rows);
  try { // the run matters more
    data::write_png(folder_ + name, sheet);
  } catch (const Error& error) {
    if (!told_) std::fprintf(stderr, "leadline: warning: no picture: %s\n", error.what());
    told_ = true;
  }
}

CallbackEntry prediction_pictures_entry() {
  return {"prediction_pictures",
          {{"run.pictures", "4", "validation frames in predictions/epoch_XXX.png; 0: no pictures"}},
          [](const Settings& settings, const RunDirectory& run, bool) -> std::unique_ptr<Callback> {
            if (settings.integer("run.pictures", 0, 64) == 0) return nullptr;
            return std::make_unique<PredictionPictures>(run.predictions());
          }};
}

} // namespace leadline::trainer
