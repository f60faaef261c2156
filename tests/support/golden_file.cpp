#include "tests/support/golden_file.hpp"

#include <hdf5.h>

#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace leadline::testing {
namespace {

/// Closes an HDF5 identifier.
class Handle {
public:
  Handle(hid_t id, herr_t (*close)(hid_t), const std::string& what) : id_(id), close_(close) {
    if (id_ < 0) throw std::runtime_error(what + " can't be opened or read as HDF5");
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { close_(id_); }
  operator hid_t() const { return id_; }

private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

void check(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what + " can't be read as HDF5");
}

std::vector<int64_t> extents(hid_t space, const std::string& what) {
  const int rank = H5Sget_simple_extent_ndims(space);
  check(rank >= 0 && rank <= 8, what);
  hsize_t dims[8] = {};
  check(H5Sget_simple_extent_dims(space, dims, nullptr) >= 0, what);
  return {dims, dims + rank};
}

size_t count_of(const std::vector<int64_t>& dims) {
  size_t count = 1;
  for (const int64_t d : dims) count *= static_cast<size_t>(d);
  return count;
}

GoldenAttribute read_attribute(hid_t owner, const char* name, const std::string& what) {
  const Handle attribute(H5Aopen(owner, name, H5P_DEFAULT), H5Aclose, what);
  const Handle space(H5Aget_space(attribute), H5Sclose, what);
  const Handle type(H5Aget_type(attribute), H5Tclose, what);
  const std::vector<int64_t> dims = extents(space, what);
  const size_t count = count_of(dims);
  GoldenAttribute result;
  result.is_list = !dims.empty();
  if (H5Tget_class(type) != H5T_STRING) {
    result.numbers.resize(count);
    check(H5Aread(attribute, H5T_NATIVE_DOUBLE, result.numbers.data()) >= 0, what);
  } else if (H5Tis_variable_str(type) > 0) {
    std::vector<char*> texts(count, nullptr);
    const Handle memory(H5Tcopy(H5T_C_S1), H5Tclose, what);
    check(H5Tset_size(memory, H5T_VARIABLE) >= 0 && H5Tset_cset(memory, H5Tget_cset(type)) >= 0, what);
    check(H5Aread(attribute, memory, texts.data()) >= 0, what);
    for (char* text : texts) {
      result.texts.emplace_back(text ? text : "");
      H5free_memory(text);
    }
  } else {
    const size_t size = H5Tget_size(type);
    std::vector<char> bytes(count * size);
    check(H5Aread(attribute, type, bytes.data()) >= 0, what);
    for (size_t i = 0; i < count; ++i) {
      const std::string padded(bytes.data() + i * size, size);
      result.texts.push_back(padded.substr(0, padded.find('\0')));
    }
  }
  return result;
}

GoldenArray read_array(hid_t data, const std::string& what) {
  check(H5Iget_type(data) == H5I_DATASET, what);
  const Handle space(H5Dget_space(data), H5Sclose, what);
  GoldenArray result;
  result.dims = extents(space, what);
  result.values.resize(count_of(result.dims));
  if (!result.values.empty())
    check(H5Dread(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, result.values.data()) >= 0, what);
  return result;
}

herr_t collect_name(hid_t, const char* name, const H5A_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

void read_group(hid_t id, GoldenGroup* group) {
  std::vector<std::string> names;
  hsize_t position = 0;
  check(H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, &position, collect_name, &names) >= 0, group->path);
  for (const std::string& name : names)
    group->attributes[name] = read_attribute(id, name.c_str(), group->path + "@" + name);
  H5G_info_t links;
  check(H5Gget_info(id, &links) >= 0, group->path);
  for (hsize_t i = 0; i < links.nlinks; ++i) {
    char name[256] = {};
    check(H5Lget_name_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT) >= 0, group->path);
    const std::string path = group->path + "/" + name;
    const Handle child(H5Oopen(id, name, H5P_DEFAULT), H5Oclose, path);
    if (H5Iget_type(child) == H5I_GROUP) {
      GoldenGroup& nested = group->groups[name];
      nested.path = path;
      read_group(child, &nested);
    } else {
      group->arrays[name] = read_array(child, path);
    }
  }
}

} // namespace

const GoldenAttribute& GoldenGroup::attribute(const std::string& name) const {
  const auto found = attributes.find(name);
  if (found == attributes.end()) throw std::runtime_error(path + " has no attribute " + name);
  read_attributes_[name] = true;
  return found->second;
}

double GoldenGroup::number(const std::string& name) const {
  const GoldenAttribute& a = attribute(name);
  if (a.numbers.size() != 1) throw std::runtime_error(path + "@" + name + " isn't one number");
  return a.numbers[0];
}
double GoldenGroup::number(const std::string& name, double absent) const { return has(name) ? number(name) : absent; }

int GoldenGroup::integer(const std::string& name) const {
  const double value = number(name);
  if (value != std::floor(value) || std::abs(value) > 1e9) throw std::runtime_error(path + "@" + name + " isn't whole");
  return static_cast<int>(value);
}
int GoldenGroup::integer(const std::string& name, int absent) const { return has(name) ? integer(name) : absent; }

bool GoldenGroup::boolean(const std::string& name) const {
  const double value = number(name);
  if (value != 0 && value != 1) throw std::runtime_error(path + "@" + name + " is neither 0 nor 1");
  return value == 1;
}

std::string GoldenGroup::text(const std::string& name) const {
  const GoldenAttribute& a = attribute(name);
  if (a.texts.size() != 1) throw std::runtime_error(path + "@" + name + " isn't one text");
  return a.texts[0];
}
std::string GoldenGroup::text(const std::string& name, const std::string& absent) const {
  return has(name) ? text(name) : absent;
}

std::vector<double> GoldenGroup::numbers(const std::string& name) const {
  const GoldenAttribute& a = attribute(name);
  if (!a.texts.empty()) throw std::runtime_error(path + "@" + name + " isn't numbers");
  return a.numbers;
}
std::vector<std::string> GoldenGroup::texts(const std::string& name) const {
  const GoldenAttribute& a = attribute(name);
  if (!a.numbers.empty()) throw std::runtime_error(path + "@" + name + " isn't texts");
  return a.texts;
}

const GoldenArray& GoldenGroup::array(const std::string& name) const {
  const auto found = arrays.find(name);
  if (found == arrays.end()) throw std::runtime_error(path + " has no array " + name);
  read_arrays_[name] = true;
  return found->second;
}
const GoldenGroup& GoldenGroup::group(const std::string& name) const {
  const auto found = groups.find(name);
  if (found == groups.end()) throw std::runtime_error(path + " has no group " + name);
  return found->second;
}

std::string GoldenGroup::unread() const {
  std::string names;
  for (const auto& [name, value] : attributes)
    if (!read_attributes_.count(name)) names += (names.empty() ? "@" : ", @") + name;
  for (const auto& [name, value] : arrays)
    if (!read_arrays_.count(name)) names += (names.empty() ? "" : ", ") + name;
  return names;
}

std::string golden_dir() {
  const char* dir = std::getenv("LEADLINE_GOLDEN_DIR");
  if (!dir || !*dir) return LEADLINE_DEFAULT_GOLDEN_DIR;
  // ctest runs tests in the build tree; a relative folder is the caller's, as seen from the source tree
  return *dir == '/' ? dir : std::string(LEADLINE_DEFAULT_GOLDEN_DIR "/../../") + dir;
}

GoldenGroup read_golden(const std::string& file_name) {
  const std::string path = golden_dir() + "/" + file_name;
  const Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, path);
  const Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose, path);
  GoldenGroup group;
  group.path = file_name;
  read_group(root, &group);
  return group;
}

} // namespace leadline::testing
