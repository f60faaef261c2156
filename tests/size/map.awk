# Sums what a GNU ld map says about libleadline.a: "CORE LAYERS KERNELS" in bytes of code and constants.
#   kernels  the SIMD files of shared/layers/host
#   layers   the layers' own rules (shapes, weights, scratch, costs) and loops, what launches kernels, decoding of
#            weights, mathematics
#   core     reader, planner, session, pictures, messages: the rest
# With -v list=1 each section comes before, for whoever looks for what is large.
BEGIN {
  layer_rules = "infer_node|5inferERK|prepare_|prepared_|node_workspace|node_cost|default_algorithm|conv_extent|conv_shapes|" \
                "geometry|count_windows|weight_channels|[0-9](Conv|Linear|MaxPool|AvgPool|Resize|Quantize|Dequantize)[A-Za-z0-9]*[0-9][a-z]"
}
/^Linker script and memory map/ { on = 1 }
!on { next }
/^ \.(text|rodata|data|ARM|srodata|sdata|eh_frame)/ {
  if (NF == 1) { name = $1; next } # long names have a line of their own
  if (NF >= 4) section($1, $2, $3, $4)
  next
}
name != "" && /^ +0x/ { section(name, $1, $2, $3) }
{ name = "" }

# Strings that stand elsewhere already take nothing, though the map has their size: the next section begins where they do.
function section(name, address, size, file) {
  if (address != last_address) add(last_name, last_size, last_file)
  last_name = name; last_address = address; last_size = size; last_file = file
}
function hex(digits, i, value) {
  value = 0
  digits = tolower(substr(digits, 3))
  for (i = 1; i <= length(digits); ++i) value = value * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
  return value
}
function add(name, size, file, bytes, part) {
  if (file !~ /libleadline\.a\(/) return
  bytes = hex(size)
  if (file ~ /_kernels_/) part = "kernels"
  else if (name ~ /HostRange|8leadline4(conv|host|math)|forward|run_node|run_fused|decode_|activate/ || name ~ layer_rules) part = "layers"
  else part = "core"
  sums[part] += bytes
  if (list) print bytes, part, name, file
}
END { add(last_name, last_size, last_file); print sums["core"] + 0, sums["layers"] + 0, sums["kernels"] + 0 }
