// Versions and status texts.
#include "inference/src/engine.hpp"

using leadline::Status;

// The C enum mirrors shared/core/status.hpp.
static_assert(LEADLINE_OK == int(Status::ok) && LEADLINE_INVALID_ARGUMENT == int(Status::invalid_argument) &&
              LEADLINE_INVALID_SHAPE == int(Status::invalid_shape) &&
              LEADLINE_INVALID_MODEL == int(Status::invalid_model) &&
              LEADLINE_CHECKSUM_MISMATCH == int(Status::checksum_mismatch) &&
              LEADLINE_VERSION_MISMATCH == int(Status::version_mismatch) &&
              LEADLINE_UNSUPPORTED == int(Status::unsupported) &&
              LEADLINE_OUT_OF_MEMORY == int(Status::out_of_memory) && LEADLINE_OVERFLOW == int(Status::overflow) &&
              LEADLINE_IO_ERROR == int(Status::io_error) &&
              LEADLINE_SELF_TEST_FAILED == int(Status::self_test_failed) &&
              LEADLINE_CANCELLED == int(Status::cancelled));
static_assert(LEADLINE_MAX_NODE_INPUTS == leadline::max_inputs && LEADLINE_ALIGNMENT == leadline::workspace_alignment &&
              LEADLINE_ALIGNMENT == leadline::model_alignment);
static_assert(LEADLINE_METRIC_DEPTH == int(leadline::OutputKind::metric_depth) &&
              LEADLINE_RELATIVE_DEPTH == int(leadline::OutputKind::relative_depth) &&
              LEADLINE_VALUES == int(leadline::OutputKind::values));

int32_t leadline_version(void) { return LEADLINE_VERSION; }
const char* leadline_version_string(void) { return LEADLINE_VERSION_STRING; }
int32_t leadline_model_format(void) { return static_cast<int32_t>(leadline::model_version); }

const char* leadline_status_text(leadline_status status) {
  return leadline::status_text(static_cast<Status>(static_cast<int32_t>(status)));
}
