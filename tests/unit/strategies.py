"""What hypothesis makes up for several test modules."""

from __future__ import annotations

from hypothesis import strategies as st

#: Whatever JSON can hold.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
#: JSON objects.
OBJECTS = st.dictionaries(st.text(max_size=8), JSON, max_size=4)
