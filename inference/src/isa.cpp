// The CPU's level that kernels are chosen for.
#include "inference/src/engine.hpp"
#include "shared/layers/host/host_kernels.hpp"
#include "shared/model/message.hpp"

const char* leadline_isa_level(int32_t index) { return index < 0 ? nullptr : leadline::host::isa_level(index); }

leadline_status leadline_set_isa(const char* isa, char* error, size_t error_bytes) {
  leadline::Message message(error, error_bytes);
  if (leadline::host::force_host_kernels(isa)) return LEADLINE_OK;
  char name[49];
  leadline::host::cpu_name(name);
  message << "isa is \"" << isa << "\", which this CPU " << (name[0] ? "(" : "") << name << (name[0] ? ") " : "")
          << "or this build of the library doesn't have; it has ";
  for (int i = 0; const char* level = leadline::host::isa_level(i); ++i) message << (i == 0 ? "" : ", ") << level;
  message << ". Take one of these, or none for the best";
  return LEADLINE_UNSUPPORTED;
}
