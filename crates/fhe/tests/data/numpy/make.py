"""Makes the files beside it: NumPy's own writing, for tests/models.rs and the tests of pictures.

Every value is a multiple of 1/64, so that float32 and float64 hold the same numbers.
"""

from pathlib import Path

import numpy as np

here = Path(__file__).parent
w = (np.arange(18).reshape(6, 3) * 7 % 23 - 11) / 64  # 6 inputs, 3 classes
b = np.array([0.25, -0.5, 0.125])


def save(name, array, version=None):
    with open(here / name, "wb") as file:
        np.lib.format.write_array(file, array, version=version)


save("f8.npy", w)
save("f4_fortran.npy", np.asfortranarray(w.astype("<f4")))
save("f8_big.npy", w.T.copy().astype(">f8"))
save("f4_big_fortran.npy", np.asfortranarray(w.T.astype(">f4")))
save("f8_version_2.npy", w, version=(2, 0))
save("f8_version_3.npy", w, version=(3, 0))
save("flat.npy", w[:, 1].copy())
save("column.npy", w[:, 1:2].copy())
save("row.npy", w[:, 1:2].T.copy())
save("bias.npy", b)
np.savez(here / "stored.npz", w=w, b=b)
np.savez_compressed(here / "deflated.npz", w=w.astype(np.float32), b=b)

save("half.npy", w.astype(np.float16))
save("integers.npy", np.arange(18).reshape(6, 3))
save("nan.npy", np.where(w > 0.1, np.nan, w))
save("structures.npy", np.zeros(6, dtype=[("x", "f4"), ("y", "f4")]))
np.save(here / "pickle.npy", np.array([None] * 6, dtype=object), allow_pickle=True)

grey = (np.arange(12).reshape(3, 4) * 21).astype(np.uint8)  # 3 down, 4 across
save("grey.npy", grey)
save("grey_fortran.npy", np.asfortranarray(grey))
save("rgb_fortran.npy", np.asfortranarray(np.stack([grey, grey, grey], axis=2)))
save("rgba.npy", np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=2))
