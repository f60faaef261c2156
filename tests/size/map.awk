# Sums what a GNU ld map says about libleadline.a: "CORE LAYERS KERNELS" in bytes of code and constants.
#   kernels  the SIMD files of shared/layers/host
#   layers   the layers' own rules and loops, what launches kernels, decoding of weights, mathematics
#   core     reader, planner, session, pictures, messages: the rest
# With -v list=1 each section comes before, for whoever looks for what is large.
/^Linker script and memory map/ { on = 1 }
!on { next }
/^ \.(text|rodata|data|ARM|srodata|sdata|eh_frame)/ {
  if (NF == 1) { name = $1; next } # long names have a line of their own
  if (NF >= 4) add($1, $3, $4)
  next
}
name != "" && /^ +0x/ { add(name, $2, $3) }
{ name = "" }

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
  else if (name ~ /9HostRange|8leadline4conv|8leadline4host|8leadline4math|7forwardI|8run_node|12prepare_node|10infer_node|5inferERK|decode_|activate/) part = "layers"
  else part = "core"
  sums[part] += bytes
  if (list) print bytes, part, name, file
}
END { print sums["core"] + 0, sums["layers"] + 0, sums["kernels"] + 0 }
