"""Other people's weights: files and objects, by their own names, as gradlab's.

What comes in is named arrays that are not read yet (`tensors`), out of one container (safetensors,
npz, or an object in `objects`). A layout (pytorch, keras, onnx, own) says which of them make a
recurrent network, and turns those into U, W, b, V and c. `contents` chooses one of several.
No file is unpickled, unpacked or executed.
"""
