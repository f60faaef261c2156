/* The model's file, as it is, in flash. */
  .section .model, "a"
  .balign 64
  .global model_begin
  .global model_end
model_begin:
  .incbin LEADLINE_MODEL_FILE
model_end:
