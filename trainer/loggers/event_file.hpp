// TensorBoard's event files, without TensorBoard: https://github.com/tensorflow/tensorboard, compat/proto.
//
// A file `events.out.tfevents.TIME.HOST.PID.NUMBER` is a sequence of records:
//     u64 length | u32 masked CRC-32C of these 8 bytes | bytes | u32 masked CRC-32C of the bytes      little-endian
// Each record's bytes are a protobuf message Event{wall_time, step, file_version | summary | session_log}.
#pragma once

#include "shared/core/config.hpp"
#include "trainer/protobuf.hpp"

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace leadline::trainer {

/// CRC-32C (Castagnoli), as iSCSI has it (RFC 3720).
uint32_t crc32c(const void* data, size_t bytes);
/// The form in which records hold it.
uint32_t masked_crc32c(const void* data, size_t bytes);

/// What is told of one step: any number of values, each under a tag ("val/rmse"; TensorBoard groups by the first word).
class EventSummary {
public:
  void scalar(const std::string& tag, double value);
  /// `png`: the file's bytes, RGB.
  void image(const std::string& tag, int height, int width, const std::vector<uint8_t>& png);
  /// How often values occur, in buckets that grow by a tenth as TensorFlow's do; what isn't finite is left out.
  void histogram(const std::string& tag, const std::vector<double>& values);

  bool empty() const { return summary_.bytes().empty(); }
  const ProtobufMessage& message() const { return summary_; }

private:
  ProtobufMessage summary_;
};

/// Writes one file. Not thread-safe. Throws leadline::Error where the disk is full or the folder can't be written.
class EventFile {
public:
  /// Begins a new file in the folder, which is made if need be. `first_step` > 0: a resumed run; TensorBoards that are
  /// open forget what they have seen from that step on.
  EventFile(const std::string& folder, index_t first_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /// At the time of the call. Handed to the system every few seconds.
  void add(index_t step, const EventSummary& summary);
  void flush();
  const std::string& name() const { return name_; }

private:
  void record(const ProtobufMessage& event);

  std::string name_;
  std::FILE* out_ = nullptr;
  double last_flush_ = 0;
};

/// Cuts what a killed run wrote after the step where it goes on (and a record that isn't whole) from all event files of
/// a folder, so that no step is there twice. A folder that isn't there holds none. Throws leadline::Error.
void trim_event_files(const std::string& folder, index_t last_step);

} // namespace leadline::trainer
