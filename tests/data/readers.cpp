// open_dataset: every form of data, and every way in which files are wrong.
#include "data/hdf5_lock.hpp"
#include "data/picture_folder.hpp"
#include "data/sources.hpp"
#include "tests/data/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <thread>

using namespace leadline;
using namespace leadline::data;
using namespace leadline::data::test;

namespace {

/// a.png with depth.png (16-bit, `unit` of pixel k = k + 1) of the same size, and a list with one line.
void write_pair(const TempDir& dir, int height = 6, int width = 8) {
  write_png(dir / "a.png", pattern(height, width));
  std::vector<std::uint16_t> depth(static_cast<std::size_t>(height * width));
  std::iota(depth.begin(), depth.end(), std::uint16_t{0});
  write_png16(dir / "depth.png", height, width, depth.data());
}

std::string list_error(const TempDir& dir, const std::string& text) {
  write_text(dir / "list.txt", text);
  return error_of([&] {
    const DatasetPtr data = open_dataset("pairs:" + (dir / "list.txt"));
    for (std::size_t i = 0; i < data->size(); ++i) data->load(i);
  });
}

/// An nyu_mat file as MATLAB 7.3 stores it: images [N, 3, W, H], depths [N, W, H].
void write_mat(const std::string& file, int n, int height, int width) {
  const auto w = static_cast<std::size_t>(width), h = static_cast<std::size_t>(height);
  std::vector<std::uint8_t> images;
  std::vector<float> depths;
  const RgbImage image = pattern(height, width);
  for (int i = 0; i < n; ++i) {
    for (int c = 0; c < 3; ++c)
      for (int x = 0; x < width; ++x)
        for (int y = 0; y < height; ++y) images.push_back(static_cast<std::uint8_t>(image.pixel(y, x)[c] + i));
    for (int x = 0; x < width; ++x)
      for (int y = 0; y < height; ++y) depths.push_back(1.0f + static_cast<float>(100 * i + 10 * y + x) / 100.0f);
  }
  H5Writer out(file);
  const auto count = static_cast<hsize_t>(n);
  out.write("images", {count, 3, w, h}, H5T_NATIVE_UINT8, images.data(), true);
  out.write("depths", {count, w, h}, H5T_NATIVE_FLOAT, depths.data(), true);
  out.write("labels", {count, w, h}, H5T_NATIVE_FLOAT, depths.data());
}

} // namespace

TEST_CASE("pairs: lines, comments, quotes, CRLF, camera, 8 and 16-bit depth") {
  const TempDir dir;
  write_pair(dir);
  fs::create_directory(dir / "sub dir");
  fs::copy(dir / "a.png", dir / "sub dir/b.png");
  write_text(dir / "list.txt", "\xEF\xBB\xBF# made by hand\r\n\r\na.png depth.png 0.001 # the first\r\n  \t\n"
                               "\"sub dir/b.png\"\tdepth.png 2e-1 500.5 501 3.5 2.5\n" +
                                   (dir / "a.png") + " depth.png .5"); // an absolute path, no line end
  const DatasetPtr data = open_dataset("pairs:" + (dir / "list.txt"));
  REQUIRE(data->size() == 3);
  const Sample first = data->load(0), second = data->load(1), third = data->load(2);
  CHECK((first.height == 6 && first.width == 8));
  CHECK(first.rgb == pattern(6, 8).rgb);
  CHECK(first.depth[0] == 0.0f);
  CHECK(first.depth[7] == 7 * 0.001f);
  CHECK_FALSE(first.intrinsics.known());
  CHECK(contains(first.name, "list.txt:3"));
  CHECK(second.depth[2] == 2 * 0.2f);
  CHECK((second.intrinsics.fx == 500.5f && second.intrinsics.fy == 501 && second.intrinsics.cx == 3.5f &&
         second.intrinsics.cy == 2.5f));
  CHECK(third.depth[4] == 2.0f);
}

TEST_CASE("pairs: each bad line is named with list, line, value and what is wanted") {
  const TempDir dir;
  write_pair(dir);
  const std::string good = "a.png depth.png 0.001\n";
  const auto expect = [&](const std::string& line, std::initializer_list<std::string> parts) {
    const std::string message = list_error(dir, "# comment\n" + good + line + "\n" + good);
    INFO(line << " -> " << message);
    CHECK(contains(message, (dir / "list.txt") + ":3"));
    for (const std::string& part : parts) CHECK(contains(message, part));
  };
  expect("missing.png depth.png 0.001", {"missing.png", "no such file", "IMAGE"});
  expect("a.png missing.png 0.001", {"missing.png", "DEPTH"});
  expect("a.png depth.png", {"2 words", "IMAGE DEPTH METRES_PER_UNIT"});
  expect("a.png depth.png 0.001 500", {"4 words"});
  expect("a.png depth.png 0,001", {"0,001", "not a number"});
  expect("a.png depth.png 1e999", {"1e999"});
  expect("a.png depth.png nan", {"nan"});
  expect("a.png depth.png 0", {"METRES_PER_UNIT", "greater than 0"});
  expect("a.png depth.png -0.001", {"-0.001", "greater than 0"});
  expect("a.png depth.png 0.001 500 x 3 2", {"FY", "\"x\""});
  expect("a.png depth.png 0.001 0 500 3 2", {"focal"});
  expect("\"a.png depth.png 0.001", {"quote"});

  write_png(dir / "large.png", pattern(12, 16));
  expect("large.png depth.png 0.001", {"16x12", "8x6", "registered"});
  const std::vector<std::uint16_t> zeros(48);
  write_png16(dir / "zeros.png", 6, 8, zeros.data());
  expect("a.png zeros.png 0.001", {"zeros.png", "all of its pixels are 0"});
  write_png(dir / "rgbdepth.png", pattern(6, 8));
  expect("a.png rgbdepth.png 0.001", {"rgbdepth.png", "one channel"});
  const auto bytes = bytes_of(dir / "a.png");
  write_bytes(dir / "cut.png", bytes, bytes.size() / 2);
  expect("cut.png depth.png 0.001", {"cut.png", "cut"});
}

TEST_CASE("pairs: lists that can't be used at all") {
  const TempDir dir;
  CHECK(contains(error_of([&] { open_dataset("pairs:" + (dir / "none.txt")); }), "none.txt"));
  CHECK(contains(error_of([&] { open_dataset("pairs:" + dir.path()); }), "folder"));
  CHECK(contains(list_error(dir, "# nothing\n\n"), "no pair"));
}

TEST_CASE("pairs: skip leaves bad lines out and keeps the rest") {
  const TempDir dir;
  write_pair(dir);
  write_text(dir / "list.txt",
             "a.png depth.png 0.001\nmissing.png depth.png 0.001\na.png depth.png x\na.png depth.png 0.002\n");
  const DatasetPtr data = open_dataset("pairs:" + (dir / "list.txt"), {.on_bad_sample = OnBadSample::skip});
  REQUIRE(data->size() == 2);
  CHECK(data->load(1).depth[1] == 0.002f);
  write_text(dir / "bad.txt", "missing.png depth.png 0.001\n");
  CHECK(contains(error_of([&] { open_dataset("pairs:" + (dir / "bad.txt"), {.on_bad_sample = OnBadSample::skip}); }),
                 "none of its 1"));
}

TEST_CASE("pairs: a picture is turned upright before its size is compared") {
  const TempDir dir;
  write_jpeg(dir / "a.jpg", pattern(6, 8));
  auto jpeg = bytes_of(dir / "a.jpg");
  const std::uint8_t app1[] = {
      0xFF, 0xE1, 0,    34,   'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,
      0,    1,    0x01, 0x12, 0,   3,   0,   0,   0, 1, 0,   6,   0, 0,  0, 0, 0, 0}; // orientation 6
  jpeg.insert(jpeg.begin() + 2, std::begin(app1), std::end(app1));
  write_bytes(dir / "a.jpg", jpeg, jpeg.size());
  const std::vector<std::uint16_t> depth(48, 1000);
  write_png16(dir / "d.png", 8, 6, depth.data()); // already upright
  write_text(dir / "list.txt", "a.jpg d.png 0.001");
  const Sample sample = open_dataset("pairs:" + (dir / "list.txt"))->load(0);
  CHECK((sample.height == 8 && sample.width == 6));
}

TEST_CASE("nyu_h5: frames of all sub-folders in a fixed order, planes to pixels, holes to 0") {
  const TempDir dir;
  for (const char* scene : {"b_scene", "a_scene/deeper"}) fs::create_directories(dir / scene);
  write_nyu_frame(dir / "b_scene/00001.h5", 6, 8, std::nanf(""));
  write_nyu_frame(dir / "a_scene/deeper/00002.h5", 5, 7, -3.0f);
  write_text(dir / "a_scene/notes.txt", "ignored");
  const DatasetPtr data = open_dataset("nyu_h5:" + dir.path());
  REQUIRE(data->size() == 2);
  CHECK(data->name(0) == "a_scene/deeper/00002.h5");
  const Sample a = data->load(0), b = data->load(1);
  CHECK((a.height == 5 && a.width == 7));
  CHECK(a.rgb == pattern(5, 7).rgb);
  CHECK(a.depth[0] == 0.0f);
  CHECK(a.depth[8] == 1.0f + 2.0f / 10.0f);
  CHECK(b.rgb == pattern(6, 8).rgb);
  CHECK(b.depth[0] == 0.0f);
  CHECK_FALSE(b.intrinsics.known());
}

TEST_CASE("nyu_h5: splits") {
  const TempDir dir;
  fs::create_directories(dir / "nyudepthv2/train/kitchen");
  fs::create_directories(dir / "nyudepthv2/val/official");
  write_nyu_frame(dir / "nyudepthv2/train/kitchen/00001.h5", 4, 4);
  write_nyu_frame(dir / "nyudepthv2/train/kitchen/00002.h5", 4, 4);
  write_nyu_frame(dir / "nyudepthv2/val/official/00001.h5", 4, 4);
  for (const std::string& root : {dir.path(), dir / "nyudepthv2"}) {
    CHECK(open_dataset("nyu_h5:" + root + ",split=train")->size() == 2);
    CHECK(open_dataset("nyu_h5:" + root + ",split=val")->size() == 1);
    CHECK(contains(error_of([&] { open_dataset("nyu_h5:" + root); }), "split=train"));
    CHECK(contains(error_of([&] { open_dataset("nyu_h5:" + root + ",split=test"); }), "split=val"));
  }
  CHECK(open_dataset("nyu_h5:" + (dir / "nyudepthv2/train"))->size() == 2);
  CHECK(contains(error_of([&] { open_dataset("nyu_h5:" + (dir / "nyudepthv2/train") + ",split=val"); }),
                 "no sub-folder"));
  fs::remove_all(dir / "nyudepthv2/val");
  CHECK(open_dataset("nyu_h5:" + dir.path())->size() == 2);
}

TEST_CASE("nyu_h5: 480x640 frames have NYU's camera, converted ones their own") {
  const TempDir dir;
  write_nyu_frame(dir / "00001.h5", 480, 640);
  CHECK(std::abs(open_dataset("nyu_h5:" + dir.path())->load(0).intrinsics.fx - 518.8579f) < 1e-3f);
  Sample sample = open_dataset("nyu_h5:" + dir.path())->load(0);
  for (const Intrinsics& camera : {Intrinsics{600, 610, 320, 240}, Intrinsics{}}) {
    sample.intrinsics = camera;
    write_nyu_h5(dir / "00001.h5", sample);
    const Sample back = open_dataset("nyu_h5:" + dir.path())->load(0);
    CHECK(back.intrinsics.fx == camera.fx);
    CHECK(back.intrinsics.cy == camera.cy);
    CHECK(back.rgb == sample.rgb);
    CHECK(back.depth == sample.depth);
  }
}

TEST_CASE("nyu_h5: bad files are named with what they hold and what is expected") {
  const TempDir dir;
  const auto load_error = [&] { return error_of([&] { open_dataset("nyu_h5:" + dir.path())->load(0); }); };
  const std::string file = dir / "00001.h5";
  write_nyu_frame(file, 20, 30);
  const auto whole = bytes_of(file);
  for (const std::size_t cut : {std::size_t{1}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    write_bytes(file, whole, cut);
    const std::string message = load_error();
    INFO(message);
    CHECK(contains(message, file));
    CHECK(contains(message, "not a whole HDF5 file"));
    CHECK_FALSE(contains(message, "no reason given"));
  }
  write_text(file, "not HDF5 at all");
  CHECK(contains(load_error(), file));

  const std::vector<std::uint8_t> bytes(64);
  const std::vector<float> floats(64, 1.0f);
  const auto expect = [&](std::initializer_list<std::string> parts) {
    const std::string message = load_error();
    INFO(message);
    CHECK(contains(message, file));
    for (const std::string& part : parts) CHECK(contains(message, part));
  };
  {
    H5Writer out(file);
    out.write("image", {3, 4, 4}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depth", {4, 4}, H5T_NATIVE_FLOAT, floats.data());
  }
  expect({"rgb", "depth, image", "uint8 [3, H, W]"});
  {
    H5Writer out(file);
    out.write("rgb", {3, 4, 4}, H5T_NATIVE_UINT8, bytes.data());
  }
  expect({"depth", "it has: rgb"});
  {
    H5Writer out(file);
    out.write("rgb", {4, 4, 3}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depth", {4, 4}, H5T_NATIVE_FLOAT, floats.data());
  }
  expect({"[4, 4, 3]", "[3, H, W]"});
  {
    H5Writer out(file);
    out.write("rgb", {3, 4, 4}, H5T_NATIVE_FLOAT, floats.data());
    out.write("depth", {4, 4}, H5T_NATIVE_FLOAT, floats.data());
  }
  expect({"rgb", "floats of 32 bits"});
  {
    H5Writer out(file);
    out.write("rgb", {3, 4, 4}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depth", {4, 4}, H5T_NATIVE_UINT8, bytes.data());
  }
  expect({"depth", "integers of 8 bits"});
  {
    H5Writer out(file);
    out.write("rgb", {3, 4, 4}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depth", {1, 4, 4}, H5T_NATIVE_FLOAT, floats.data());
  }
  expect({"depth", "[1, 4, 4]"});
  {
    H5Writer out(file);
    out.write("rgb", {3, 4, 4}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depth", {4, 5}, H5T_NATIVE_FLOAT, floats.data());
  }
  expect({"[3, 4, 4]", "[4, 5]"});
  const std::vector<float> none(16, 0.0f);
  {
    H5Writer out(file);
    out.write("rgb", {3, 4, 4}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depth", {4, 4}, H5T_NATIVE_FLOAT, none.data());
  }
  expect({"all of its pixels are 0"});
  fs::remove(file);
  CHECK(contains(error_of([&] { open_dataset("nyu_h5:" + dir.path()); }), "no .h5 file"));
  CHECK(contains(error_of([&] { open_dataset("nyu_h5:" + (dir / "gone")); }), "no such folder"));
}

TEST_CASE("nyu_h5: a damaged compressed block is named, and HDF5 prints nothing of its own") {
  const TempDir dir;
  const std::string file = dir / "00001.h5";
  Sample sample;
  sample.height = sample.width = 32;
  sample.rgb = pattern(32, 32).rgb;
  for (std::size_t i = 0; i < 1024; ++i) sample.depth.push_back(1.0f + static_cast<float>(i * 7919 % 1000) / 1000);
  write_nyu_h5(file, sample);
  auto bytes = bytes_of(file);
  const std::uint8_t zlib_header[2] = {0x78, 0x5E};
  const auto stream = std::search(bytes.begin(), bytes.end(), zlib_header, zlib_header + 2);
  REQUIRE(bytes.end() - stream > 300);
  for (auto at = stream + 20; at < stream + 220; ++at) *at ^= 0x5A;
  write_bytes(file, bytes, bytes.size());
  const std::string captured = dir / "stderr.txt";
  std::fflush(stderr);
  const int kept = dup(2);
  std::FILE* sink = std::fopen(captured.c_str(), "wb");
  dup2(fileno(sink), 2);
  const std::string message = error_of([&] { open_dataset("nyu_h5:" + dir.path())->load(0); });
  std::fflush(stderr);
  dup2(kept, 2);
  close(kept);
  std::fclose(sink);
  CHECK(contains(message, file));
  CHECK(contains(message, "can't be read"));
  CHECK(bytes_of(captured).empty());
}

TEST_CASE("nyu_mat: frames are read one by one and turned from columns to rows") {
  const TempDir dir;
  write_mat(dir / "nyu.mat", 3, 4, 6);
  const DatasetPtr data = open_dataset("nyu_mat:" + (dir / "nyu.mat"));
  REQUIRE(data->size() == 3);
  const RgbImage image = pattern(4, 6);
  for (const std::size_t i : {std::size_t{2}, std::size_t{0}, std::size_t{1}}) {
    const Sample sample = data->load(i);
    REQUIRE((sample.height == 4 && sample.width == 6));
    for (std::size_t k = 0; k < sample.rgb.size(); ++k)
      REQUIRE(sample.rgb[k] == static_cast<std::uint8_t>(image.rgb[k] + i));
    for (std::size_t y = 0; y < 4; ++y)
      for (std::size_t x = 0; x < 6; ++x)
        REQUIRE(sample.depth[y * 6 + x] == 1.0f + static_cast<float>(100 * i + 10 * y + x) / 100.0f);
  }
}

TEST_CASE("nyu_mat: bad files") {
  const TempDir dir;
  const std::string file = dir / "nyu.mat";
  const auto message = [&] { return error_of([&] { open_dataset("nyu_mat:" + file); }); };
  CHECK(contains(message(), "no such file"));
  CHECK(contains(error_of([&] { open_dataset("nyu_mat:" + dir.path()); }), "nyu_h5:"));
  write_mat(file, 2, 4, 6);
  const auto whole = bytes_of(file);
  write_bytes(file, whole, whole.size() / 2);
  CHECK(contains(message(), file));
  CHECK(contains(message(), "not a whole HDF5 file"));
  const std::vector<std::uint8_t> bytes(144);
  const std::vector<float> floats(144, 1.0f);
  {
    H5Writer out(file);
    out.write("images", {2, 3, 6, 4}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depth", {2, 6, 4}, H5T_NATIVE_FLOAT, floats.data());
  }
  CHECK(contains(message(), "it has: depth, images"));
  {
    H5Writer out(file);
    out.write("images", {2, 3, 6, 4}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depths", {2, 4, 6}, H5T_NATIVE_FLOAT, floats.data());
  }
  CHECK(contains(message(), "don't belong together"));
  {
    H5Writer out(file);
    out.write("images", {2, 6, 4, 3}, H5T_NATIVE_UINT8, bytes.data());
    out.write("depths", {2, 6, 4}, H5T_NATIVE_FLOAT, floats.data());
  }
  CHECK(contains(message(), "[2, 6, 4, 3]"));
  write_text(file, "MATLAB 5.0 MAT-file, Platform: PCWIN64");
  CHECK(contains(message(), "-v7.3"));
}

TEST_CASE("HDF5 frames may be loaded from several threads") {
  const TempDir dir;
  for (int i = 0; i < 8; ++i) write_nyu_frame(dir / (std::to_string(i) + ".h5"), 10 + i, 12);
  const DatasetPtr data = open_dataset("nyu_h5:" + dir.path());
  std::vector<int> heights(32);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < heights.size(); i += 4) heights[i] = data->load(i % 8).height;
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < heights.size(); ++i) CHECK(heights[i] == 10 + static_cast<int>(i % 8));
}

TEST_CASE("schemes: slips get the nearest, bare paths the right one") {
  const TempDir dir;
  const auto message = [](const std::string& spec) { return error_of([&] { open_dataset(spec); }); };
  CHECK(contains(message("pair:list.txt"), "did you mean pairs?"));
  CHECK(contains(message("nyuh5:/data"), "did you mean nyu_h5?"));
  CHECK(contains(message("synthetc:count=3"), "did you mean synthetic?"));
  CHECK(contains(message("digit"), "did you mean digits?"));
  CHECK_FALSE(contains(message("imagenet:/data"), "did you mean"));
  CHECK(contains(message(""), "no data is named"));
  CHECK(contains(message("pairs:"), "after the colon"));
  CHECK(contains(message(dir.path()), "Write nyu_h5:" + dir.path()));
  CHECK(contains(message("some/list.txt"), "Write pairs:some/list.txt"));
  CHECK(contains(message("x/nyu_depth_v2_labeled.mat"), "Write nyu_mat:x/nyu_depth_v2_labeled.mat"));
  CHECK(contains(message("pairs:a.txt,split=val"), "split"));
}

TEST_CASE("synthetic and digits open by scheme") {
  const DatasetPtr rooms = open_dataset("synthetic:count=3,height=16,width=24");
  REQUIRE(rooms->size() == 3);
  const Sample room = rooms->load(2);
  CHECK((room.height == 16 && room.width == 24 && room.rgb.size() == 1152 && room.depth.size() == 384));
  CHECK(room.intrinsics.known());
  CHECK(open_dataset("synthetic")->size() > 0);
  CHECK(open_dataset("digits")->size() == 1797);
}

TEST_CASE("split by fraction: disjoint, complete, seeded") {
  const Split a = split_by_fraction(100, 0.2, 7), b = split_by_fraction(100, 0.2, 7),
              c = split_by_fraction(100, 0.2, 8);
  CHECK(a.val.size() == 20);
  CHECK(a.val == b.val);
  CHECK(a.val != c.val);
  std::vector<std::size_t> all = a.train;
  all.insert(all.end(), a.val.begin(), a.val.end());
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < 100; ++i) REQUIRE(all[i] == i);
  CHECK(std::is_sorted(a.train.begin(), a.train.end()));
  CHECK(split_by_fraction(5, 0, 1).val.empty());
  CHECK(split_by_fraction(5, 1, 1).train.empty());
  CHECK(split_by_fraction(0, 0.5, 1).train.empty());
  CHECK(contains(error_of([] { split_by_fraction(5, 1.5, 1); }), "val_fraction"));
  CHECK(contains(error_of([] { split_by_fraction(5, std::nan(""), 1); }), "val_fraction"));
}

TEST_CASE("list= keeps the frames that a file names, by number, name or its end") {
  const TempDir dir;
  for (const char* name : {"a", "b", "c"}) {
    fs::create_directory(dir / name);
    write_nyu_frame(dir / (std::string(name) + "/1.h5"), 4, 4 + name[0] - 'a');
  }
  write_text(dir / "list", "# chosen\n2\r\n\na/1.h5\n");
  const DatasetPtr data = open_dataset("nyu_h5:" + dir.path() + ",list=" + (dir / "list"));
  REQUIRE(data->size() == 2);
  CHECK(data->name(0) == "c/1.h5");
  CHECK(data->load(0).width == 6);
  CHECK(data->load(1).width == 4);
  const auto message = [&](const std::string& text) {
    write_text(dir / "list", text);
    return error_of([&] { open_dataset("nyu_h5:" + dir.path() + ",list=" + (dir / "list")); });
  };
  CHECK(contains(message("0\n3\n"), (dir / "list") + ":2"));
  CHECK(contains(message("0\nd/1.h5\n"), "d/1.h5"));
  CHECK(contains(message("# none\n"), "names no frame"));
  CHECK(contains(error_of([&] { open_dataset("nyu_h5:" + dir.path() + ",list=" + (dir / "nope")); }), "nope"));
  CHECK(contains(error_of([&] { Subset(open_dataset("nyu_h5:" + dir.path()), {0, 3}); }), "3"));
}

TEST_CASE("a folder of pictures: in the order of their names, without depth") {
  const TempDir dir;
  CHECK(error_of([&] { open_picture_folder(dir / ""); }).find("no .png or .jpg picture") != std::string::npos);
  write_png(dir / "b.png", pattern(4, 5));
  write_jpeg(dir / "a.JPG", pattern(6, 7));
  write_text(dir / "notes.txt", "no picture");
  const DatasetPtr frames = open_picture_folder(dir / "");
  REQUIRE(frames->size() == 2);
  const Sample first = frames->load(0), second = frames->load(1);
  CHECK(first.height == 6);
  CHECK(first.name == frames->name(0));
  CHECK(second.width == 5);
  CHECK(second.rgb == pattern(4, 5).rgb);
  CHECK(second.depth.empty());
}
