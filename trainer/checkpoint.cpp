// The only file of the trainer that sees HDF5.
#include "trainer/checkpoint.hpp"

#include "data/error.hpp"
#include "data/hdf5_lock.hpp"
#include "data/image_io.hpp" // write_file

#include <hdf5.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

namespace leadline::trainer {

namespace {

constexpr const char* format_name = "leadline checkpoint";
constexpr int format_version = 3;                  // 2: /trained_weights, /callbacks; 3: /ranges
constexpr hsize_t max_elements = hsize_t{1} << 31; // of one array in a file; more is damage, not a depth network

/// Closes an HDF5 handle of any kind; a negative one means that the call failed.
class Handle {
public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }

private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// HDF5 prints its own stack of messages unless told not to; ours are better.
struct Quiet {
  Quiet() {
    H5Eget_auto2(H5E_DEFAULT, &function, &data);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Quiet() { H5Eset_auto2(H5E_DEFAULT, function, data); }
  H5E_auto2_t function = nullptr;
  void* data = nullptr;
};

/// Variable-length strings would be allocated by HDF5; fixed ones of the right length are simpler.
hid_t string_type(size_t length) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, std::max<size_t>(length, 1));
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/// Makes the file in memory: the disk is touched by one plain write, which fails like one. (HDF5 itself can't let go of
/// a file that the disk has no room for, and falls over it when the program ends.)
class Writer {
public:
  explicit Writer(const std::string& file)
      : file_(file), access_(H5Pcreate(H5P_FILE_ACCESS), H5Pclose), creation_(H5Pcreate(H5P_FILE_CREATE), H5Pclose),
        groups_(H5Pcreate(H5P_GROUP_CREATE), H5Pclose) {
    H5Pset_fclose_degree(access_, H5F_CLOSE_STRONG);
    H5Pset_obj_track_times(creation_, 0); // no times anywhere: the same run writes the same bytes
    H5Pset_obj_track_times(groups_, 0);
    H5Pset_libver_bounds(access_, H5F_LIBVER_V110, H5F_LIBVER_V110); // its metadata has checksums, too
    H5Pset_fapl_core(access_, size_t{1} << 16, false);
    H5FD_file_image_callbacks_t memory{
        [](size_t bytes, H5FD_file_image_op_t, void*) { return std::malloc(bytes); },
        [](void* to, const void* from, size_t bytes, H5FD_file_image_op_t, void*) {
          return std::memcpy(to, from, bytes);
        },
        [](void* block, size_t bytes, H5FD_file_image_op_t, void*) { return std::realloc(block, bytes); },
        [](void* block, H5FD_file_image_op_t when, void* taker) -> herr_t {
          if (when == H5FD_FILE_IMAGE_OP_FILE_CLOSE && taker)
            static_cast<Writer*>(taker)->image_.reset(static_cast<unsigned char*>(block));
          else
            std::free(block);
          return 0;
        },
        [](void* taker) { return taker; },
        [](void*) -> herr_t { return 0; },
        this};
    check(H5Pset_file_image_callbacks(access_, &memory));
    handle_ = H5Fcreate(file.c_str(), H5F_ACC_TRUNC, creation_, access_);
    check(handle_);
  }
  ~Writer() {
    if (handle_ >= 0) H5Fclose(handle_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Closes the file and saves it. (H5Fget_file_image would give an image with a wrong checksum: it clears the mark of
  /// an open file without counting again. What HDF5 leaves at closing is right.)
  void save() {
    const herr_t closed = H5Fclose(handle_);
    handle_ = -1;
    check(closed);
    uint64_t size = 0; // memory was taken in advance: the superblock (version 3) says where the file ends
    for (int i = 0; i < 8; ++i) size |= uint64_t{image_.get()[28 + i]} << (8 * i);
    data::write_file(file_, image_.get(), size, data::Keep::on_disk);
  }

  /// Makes the groups above `path` that aren't there yet.
  void make_groups(const std::string& path) {
    for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
      const std::string group = path.substr(0, end);
      if (H5Lexists(handle_, group.c_str(), H5P_DEFAULT) > 0) continue;
      const Handle made(H5Gcreate2(handle_, group.c_str(), H5P_DEFAULT, groups_, H5P_DEFAULT), H5Gclose);
      check(made);
    }
  }

  void number(const char* name, double value) { attribute(name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value); }
  void integer(const char* name, index_t value) { attribute(name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value); }
  void text(const char* name, const std::string& value) {
    const Handle type(string_type(value.size()), H5Tclose);
    attribute(name, type, type, value.empty() ? "\0" : value.data());
  }

  void array(const std::string& path, const std::vector<index_t>& shape, const std::vector<double>& values,
             bool single) {
    make_groups(path);
    std::vector<hsize_t> extents(shape.begin(), shape.end());
    const Handle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
    const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_obj_track_times(properties, 0);
    if (!values.empty()) {
      H5Pset_chunk(properties, static_cast<int>(extents.size()), extents.data());
      H5Pset_fletcher32(properties);
    }
    const Handle set(H5Dcreate2(handle_, path.c_str(), single ? H5T_IEEE_F32LE : H5T_IEEE_F64LE, space, H5P_DEFAULT,
                                properties, H5P_DEFAULT),
                     H5Dclose);
    check(set);
    if (!values.empty()) check(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  }

  /// A long text, as an array of bytes.
  void document(const std::string& path, const std::string& content) {
    make_groups(path);
    const hsize_t extent = content.size();
    const Handle space(H5Screate_simple(1, &extent, nullptr), H5Sclose);
    const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_obj_track_times(properties, 0);
    if (extent > 0) {
      H5Pset_chunk(properties, 1, &extent);
      H5Pset_fletcher32(properties);
    }
    const Handle set(H5Dcreate2(handle_, path.c_str(), H5T_STD_U8LE, space, H5P_DEFAULT, properties, H5P_DEFAULT),
                     H5Dclose);
    check(set);
    if (extent > 0) check(H5Dwrite(set, H5T_NATIVE_UCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, content.data()));
  }

private:
  void attribute(const char* name, hid_t file_type, hid_t memory_type, const void* value) {
    const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const Handle set(H5Acreate2(handle_, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    check(set);
    check(H5Awrite(set, memory_type, value));
  }
  void check(hid_t result) const {
    if (result < 0)
      throw Error({.file = file_, .reason = "HDF5 can't make the checkpoint", .fix = "Memory may be short"});
  }

  struct Free {
    void operator()(unsigned char* block) const { std::free(block); }
  };
  std::string file_;
  std::unique_ptr<unsigned char, Free> image_; ///< the file, once it is closed
  Handle access_, creation_, groups_;
  hid_t handle_ = -1;
};

class Reader {
public:
  explicit Reader(const std::string& file)
      : file_(file), handle_(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose) {
    if (handle_ < 0)
      throw Error({.file = file,
                   .reason = std::filesystem::exists(file) ? "it is no HDF5 file, or it was cut off"
                                                           : "there is no such checkpoint",
                   .fix = "A run keeps two, RUN/checkpoints/last.h5 and best.h5: try the other one"});
  }

  double number(const char* name) const {
    double value = 0;
    attribute(name, H5T_NATIVE_DOUBLE, &value);
    return value;
  }
  index_t integer(const char* name, index_t min) const {
    index_t value = 0;
    attribute(name, H5T_NATIVE_INT64, &value);
    if (value < min) fail(name, "the number makes no sense");
    return value;
  }
  std::string text(const char* name) const {
    const Handle set(H5Aopen(handle_, name, H5P_DEFAULT), H5Aclose);
    const Handle type(set < 0 ? -1 : H5Aget_type(set), H5Tclose);
    if (type < 0 || H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0 || H5Tget_size(type) > 65536)
      fail(name, "this text is missing or damaged");
    std::string value(H5Tget_size(type), '\0');
    if (H5Aread(set, type, value.data()) < 0) fail(name, "this text can't be read");
    value.resize(std::char_traits<char>::length(value.c_str()));
    return value;
  }

  NamedArray array(const std::string& path, const std::string& name) const {
    NamedArray out;
    out.name = name;
    const Handle set(H5Dopen2(handle_, path.c_str(), H5P_DEFAULT), H5Dclose);
    const size_t count = open(set, path, H5T_FLOAT, &out.shape);
    out.values.resize(count);
    if (count > 0 && H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.values.data()) < 0)
      fail(path, "this array is damaged: its checksum differs, or the file was cut off");
    return out;
  }
  std::string document(const std::string& path) const {
    std::vector<index_t> shape;
    const Handle set(H5Dopen2(handle_, path.c_str(), H5P_DEFAULT), H5Dclose);
    std::string content(open(set, path, H5T_INTEGER, &shape), '\0');
    if (!content.empty() && H5Dread(set, H5T_NATIVE_UCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, content.data()) < 0)
      fail(path, "this text is damaged: its checksum differs, or the file was cut off");
    return content;
  }

  [[noreturn]] void fail(const std::string& field, const std::string& reason) const {
    throw Error({.file = file_,
                 .field = field,
                 .reason = reason,
                 .fix =
                     "The checkpoint is damaged, or no Leadline checkpoint. A run keeps two, last.h5 and best.h5: try "
                     "the other one"});
  }

private:
  void attribute(const char* name, hid_t type, void* value) const {
    const Handle set(H5Aopen(handle_, name, H5P_DEFAULT), H5Aclose);
    const Handle space(set < 0 ? -1 : H5Aget_space(set), H5Sclose);
    if (space < 0 || H5Sget_simple_extent_npoints(space) != 1 || H5Aread(set, type, value) < 0)
      fail(name, "this number is missing or damaged");
  }
  /// Checks what a dataset holds before memory is taken for it.
  size_t open(hid_t set, const std::string& path, H5T_class_t kind, std::vector<index_t>* shape) const {
    const Handle type(set < 0 ? -1 : H5Dget_type(set), H5Tclose), space(set < 0 ? -1 : H5Dget_space(set), H5Sclose);
    const int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    if (type < 0 || H5Tget_class(type) != kind || rank < 1 || rank > 4) fail(path, "this array is missing or damaged");
    hsize_t extents[4] = {}, count = 1;
    H5Sget_simple_extent_dims(space, extents, nullptr);
    for (int d = 0; d < rank; ++d) {
      if (extents[d] > max_elements || (count *= extents[d]) > max_elements)
        fail(path, "this array's size makes no sense");
      shape->push_back(static_cast<index_t>(extents[d]));
    }
    return static_cast<size_t>(count);
  }

  std::string file_;
  Handle handle_;
};

/// "a;b" and their values as a row of numbers.
void write_numbers(Writer& out, const std::string& what, const std::vector<NamedNumber>& numbers) {
  std::string names;
  std::vector<double> values;
  for (const NamedNumber& number : numbers) {
    names += (names.empty() ? "" : ";") + number.first;
    values.push_back(number.second);
  }
  out.text((what + "_names").c_str(), names);
  out.array(what, {static_cast<index_t>(values.size())}, values, false);
}

std::vector<NamedNumber> read_numbers(const Reader& in, const std::string& what) {
  const std::vector<double> values = in.array(what, "").values;
  std::string names = in.text((what + "_names").c_str());
  std::vector<NamedNumber> numbers;
  for (const double value : values) {
    const size_t end = std::min(names.find(';'), names.size());
    if (end == 0) in.fail(what, "there are more numbers than names");
    numbers.push_back({names.substr(0, end), value});
    names.erase(0, end + 1);
  }
  return numbers;
}

} // namespace

void write_checkpoint(const std::string& file, const Checkpoint& c) {
  const std::lock_guard lock(data::hdf5_mutex());
  const Quiet quiet;
  const bool single = c.precision == "f32";
  Writer out(file);
  const auto write_arrays = [&](const std::string& group, const std::string& order_name,
                                const std::vector<NamedArray>& arrays, bool as_float) {
    std::string order;
    for (const NamedArray& array : arrays) {
      out.array(group + "/" + array.name, array.shape, array.values, as_float);
      order += array.name + "\n";
    }
    out.document(order_name, order);
  };
  out.text("format", format_name);
  out.integer("version", format_version);
  out.text("network", c.network);
  out.text("precision", c.precision);
  out.document("settings", c.settings);
  write_arrays("weights", "weight_order", c.weights, single);
  write_arrays("trained_weights", "trained_weight_order", c.trained_weights, single);
  write_arrays("ranges", "range_order", c.ranges, false);

  out.text("optimizer_name", c.optimizer);
  out.integer("optimizer_steps", c.optimizer_steps);
  write_arrays("optimizer", "optimizer_order", c.optimizer_state, single);
  write_numbers(out, "optimizer_scalars", c.optimizer_scalars);
  out.text("scheduler_name", c.scheduler);
  out.array("scheduler", {static_cast<index_t>(c.scheduler_state.size())}, c.scheduler_state, false);
  write_arrays("callbacks", "callback_order", c.callbacks, false);

  out.integer("seed", static_cast<index_t>(c.seed));
  out.integer("epoch", c.epoch);
  out.integer("batch", c.batch);
  out.integer("step", c.step);
  out.number("loss_sum", c.loss_sum);
  out.text("monitor", c.monitor);
  out.number("best", c.best);
  out.integer("best_epoch", c.best_epoch);
  out.text("protocol", c.protocol);
  write_numbers(out, "metrics", c.metrics);
  out.number("focal_x", c.focal_x);
  out.number("focal_y", c.focal_y);
  out.number("median_depth", c.median_depth);
  out.array("mean_map", c.mean_map.values.empty() ? std::vector<index_t>{0, 0} : c.mean_map.shape, c.mean_map.values,
            true);
  out.save();
}

namespace {

/// The arrays of a group in the order in which they were written.
std::vector<NamedArray> read_arrays(const Reader& in, const std::string& group, const std::string& order) {
  std::vector<NamedArray> arrays;
  std::string names = in.document(order);
  while (!names.empty()) {
    const std::string name = names.substr(0, names.find('\n'));
    names.erase(0, name.size() + 1);
    arrays.push_back(in.array(group + "/" + name, name));
  }
  return arrays;
}

} // namespace

Checkpoint read_checkpoint(const std::string& file) {
  const std::lock_guard lock(data::hdf5_mutex());
  const Quiet quiet;
  const Reader in(file);
  if (in.text("format") != format_name) in.fail("format", "it is another kind of HDF5 file");
  const index_t version = in.integer("version", 1);
  if (version < 2 || version > format_version)
    throw Error({.file = file,
                 .field = "version",
                 .value = std::to_string(version),
                 .reason = "this program reads versions 2 to " + std::to_string(format_version),
                 .fix = "Use the Leadline that wrote it"});
  Checkpoint c;
  c.network = in.text("network");
  c.precision = in.text("precision");
  if (c.precision != "f32" && c.precision != "f64") in.fail("precision", "it is neither f32 nor f64");
  c.settings = in.document("settings");
  c.weights = read_arrays(in, "weights", "weight_order");
  c.trained_weights = read_arrays(in, "trained_weights", "trained_weight_order");
  if (version >= 3) c.ranges = read_arrays(in, "ranges", "range_order");
  c.optimizer = in.text("optimizer_name");
  c.optimizer_steps = in.integer("optimizer_steps", 0);
  c.optimizer_state = read_arrays(in, "optimizer", "optimizer_order");
  c.optimizer_scalars = read_numbers(in, "optimizer_scalars");
  c.scheduler = in.text("scheduler_name");
  c.scheduler_state = in.array("scheduler", "").values;
  c.callbacks = read_arrays(in, "callbacks", "callback_order");
  c.seed = static_cast<uint64_t>(in.integer("seed", INT64_MIN));
  c.epoch = in.integer("epoch", 0);
  c.batch = in.integer("batch", 0);
  c.step = in.integer("step", 0);
  c.loss_sum = in.number("loss_sum");
  c.monitor = in.text("monitor");
  c.best = in.number("best");
  c.best_epoch = in.integer("best_epoch", 0);
  c.protocol = in.text("protocol");
  c.metrics = read_numbers(in, "metrics");
  c.focal_x = in.number("focal_x");
  c.focal_y = in.number("focal_y");
  c.median_depth = in.number("median_depth");
  c.mean_map = in.array("mean_map", "mean_map");
  return c;
}

} // namespace leadline::trainer
