"""How the compiler sees the arrays of a run: as one block of memory that holds their headers.

Handed over one by one, 32 arrays are two hundred arguments of each call, which take longer to
compile than what is called. So compiled code is given the address of a `Block`, and reads
``w.clients`` from it as Python reads it from the named tuple. Blocks lie within blocks as tuples do
within tuples.

Imports numba, so it is imported only where something is compiled.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, override, import-untyped"
# numba and llvmlite have types for little of what extends them.

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import typeof, types
from numba.core.imputils import impl_ret_borrowed, lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, models, register_model

from simlib.engines.fleet.block import WORD_BYTES, words_of_header

_INDEX = ir.IntType(32)
_ZERO = ir.Constant(_INDEX, 0)


class BlockType(types.Type):
    """The type of a block: what its arrays are called, and their types."""

    def __init__(self, name: str, members: tuple[tuple[str, Any], ...]) -> None:
        self.members = dict(members)
        self._key = name, members
        # A short name: it is part of the name of every compiled function.
        super().__init__(name)

    @property
    def key(self) -> Any:
        """What tells this type from others: not its name alone."""
        return self._key

    @property
    def words(self) -> int:
        """The size of the block."""
        return sum(map(_words, self.members.values()))

    def offset_bytes(self, name: str) -> int:
        """Return where in the block a member begins."""
        names = list(self.members)
        before = names[: names.index(name)]
        return WORD_BYTES * sum(_words(self.members[member]) for member in before)


def type_of_block(arrays: Any) -> BlockType:
    """Return the type of the block of a named tuple of arrays, and of such tuples."""
    members = tuple(
        (name, type_of_block(member) if isinstance(member, tuple) else typeof(member))
        for name, member in zip(arrays._fields, arrays, strict=True)
    )
    return BlockType(type(arrays).__name__, members)


def _words(member: Any) -> int:
    return member.words if isinstance(member, BlockType) else words_of_header(member.ndim)


@register_model(BlockType)
class _BlockModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: BlockType) -> None:
        super().__init__(manager, kind, ir.IntType(8).as_pointer())


@infer_getattr
class _Members(AttributeTemplate):
    key = BlockType

    def generic_resolve(self, kind: BlockType, name: str) -> Any:
        return kind.members.get(name)


@lower_getattr_generic(BlockType)
def _get_member(context: Any, builder: Any, kind: BlockType, block: Any, name: str) -> Any:
    member = kind.members[name]
    start = builder.gep(block, [ir.Constant(ir.IntType(64), kind.offset_bytes(name))])
    if isinstance(member, BlockType):
        return start
    header = context.get_value_type(member)
    place = builder.bitcast(start, header.as_pointer())
    value = ir.Constant(header, ir.Undefined)
    for i in range(len(header.elements)):
        part = builder.load(builder.gep(place, [_ZERO, ir.Constant(_INDEX, i)], inbounds=True))
        # Nobody writes a header while compiled code runs, so one reading of it is enough.
        part.set_metadata("invariant.load", builder.module.add_metadata([]))
        value = builder.insert_value(value, part, i)
    return impl_ret_borrowed(context, builder, member, value)
