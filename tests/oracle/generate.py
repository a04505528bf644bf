# SPDX-License-Identifier: MIT
"""
Writes Python modules full of places where a thread can be: functions of random shape, each of which calls go(rest)
somewhere in its middle, and go() calls the next one of `rest`. The calls never return, so values do not matter; lines do.

    source(seed, version, count) -> [(name, text of the function), ...]

The functions take `go` and `lib` (places.Lib: what they need around them) from their globals.
"""

import random

NAMES = ["place", "plätze", "място", "場所", "\U00010000\U00010001", "a_very_long_name_" * 19]


def indent(lines, by=4):
    return [" " * by + line if line else line for line in lines]


class Writer:
    def __init__(self, seed, version):
        self.dice = random.Random(seed)
        self.version = tuple(version[:2])
        self.number = 0

    def fresh(self, stem):
        self.number += 1
        return "%s_%d" % (stem, self.number)

    # ---- expressions: lists of lines, to stand within parentheses --------------------------------------------------

    def call(self):
        """The innermost expression, in one of many layouts."""
        return self.dice.choice([
            ["go(rest)"],
            ["go(", "   rest", ")"],
            ["go(*", "  [", "   rest", "  ])"],
            ["go", " (", "rest)"],
            ["lib", ".identity(lib)", " .go", "  (rest)"],
            ["lib.go(rest=", "", "       rest)"],
            ["go(**{'rest':", "  rest})"],
            ["(lambda: go(rest))()"],
            ["(lambda", "  x: go(", "    x)", " )(", "   rest", ")"],
            ["getattr(lib,", "  'go')(rest)"],
        ])

    def wrap(self, e):
        """A bigger expression that evaluates e."""
        first, rest = e[0], e[1:]

        def around(before, after):
            lines = [before + first] + rest
            lines[-1] += after
            return lines

        def between(before, after):
            return [*before, *indent(e, self.dice.randrange(0, 5)), *after]
        v = self.fresh("v")
        choices = [
            lambda: around("[", "]"),
            lambda: between(["lib.f(", "  1,"], ["  ,", "  3)"]),
            lambda: between(["lib.f(a=1,", "b="], [", c=3", ")"]),
            lambda: between(["{'a':", "  1, 'b': ("], ["),", "'c': 2}"]),
            lambda: between(["(1 +", "(2 *"], ["+ 3)", "- 4)"]),
            lambda: between(["(lib.yes", "and"], ["or", "lib.no)"]),
            lambda: between(["(0", "if lib.no else"], [")"]),
            lambda: between(["(0", "if ("], [")", "else 1)"]),
            lambda: between(["lib.table", "["], ["]"]),
            lambda: between(["lib.table[", "1:"], ["", ":2]"]),
            lambda: between(["(1 <", "2 <"], ["< 3)"]),
            lambda: around("(lambda: ", ")()"),
            lambda: between(["(", v + " := ("], ["))"]),
            lambda: between(["[", ""], ["  for _ in", "  lib.two]"]),
            lambda: between(["[0", " for _ in lib.two", "  if ("], [")", "]"]),
            lambda: between(["{", ""], ["  for _ in lib.two}"]),
            lambda: between(["{1: "], ["  for _ in", "   lib.two}"]),
            lambda: between(["list(", ""], ["  for _ in", "  lib.two)"]),
            lambda: between(["[x for x in", "  [("], [") for _ in lib.two]]"]),
            lambda: between(["lib.Thing(", ""], [")"]),
            lambda: between(["not (", ""], [")"]),
            lambda: between(["sorted([1, 2],", " key=lambda _:", "("], ["))"]),
            lambda: between(["list(map(lambda", " _:", "("], ["),", " lib.two))"]),
            lambda: between(["lib.reduce(", "lambda a, b: ("], ["),", "  lib.two)"]),
            lambda: between(["max(lib.two, key=lambda _: ("], ["),", ")"]),
            lambda: between(["f'''a {(", ""], [")} b", "c'''"] if self.version >= (3, 12) else [")} b'''"])
            if self.version >= (3, 12) else between(["'{}{}'.format(1,", ""], [")"]),
            lambda: between(["lib.partial(lib.f, 1)", "("], [")"]),
            lambda: between(["lib.callback(", "  lambda: ("], ["))"]),
            lambda: between(["lib.native(", "  lambda: ("], ["))"]),
            lambda: between(["lib.f(*[", ""], ["],", " **{'k': 1})"]),
            lambda: between(["-", ""], [""]),
            lambda: between(["(yield_ for yield_ in [", ""], ["])"]),
        ]
        return self.dice.choice(choices)()

    def expression(self):
        e = self.call()
        for _ in range(self.dice.choice([0, 0, 1, 1, 2, 3])):
            e = self.wrap(e)
        return e

    # ---- statements ---------------------------------------------------------------------------------------------------

    def statement(self):
        """The innermost statement."""
        e = self.expression()
        name = self.fresh("x")
        first, *more = e
        return self.dice.choice([
            lambda: ["(" + first, *more, ")"],
            lambda: ["%s = (" % name, *e, ")"],
            lambda: ["%s = \\" % name, "  (" + first, *more, "  )"],
            lambda: ["%s, *_ = 1, 2, (" % name, *indent(e), ")"],
            lambda: ["%s = 1; (" % name + first, *more, ");", "%s = 2" % name],
            lambda: ["%s = [0]" % name, "%s[" % name, *indent(e), "] = 1"],
            lambda: ["%s = 1" % name, "%s += (" % name, *indent(e), ")"],
            lambda: ["assert (", *indent(e), "), 1"],
            lambda: ["assert not lib.yes, (", *indent(e), ")"],
            lambda: ["return (", *indent(e), ")"],
            lambda: ["raise ValueError(", *indent(e), ") from None"],
            lambda: ["for %s in (" % name, *indent(e), "):", "    pass"],
            lambda: ["while (", *indent(e), "):", "    pass"],
            lambda: ["if lib.no:", "    pass", "elif (", *indent(e), "):", "    pass", "else:", "    pass"],
            lambda: ["with lib.Thing(1) as a, \\", "        lib.Thing((", *indent(e), "        )) as b:", "    pass"],
            lambda: ["@lib.identity", "@lib.decorator(", *indent(e), ")", "@lib.identity", "def %s():" % name, "    pass"],
            lambda: ["def %s(" % name, "    a=1,", "    b=(", *indent(e, 8), "    ),", "):", "    pass"],
            lambda: ["class %s(" % name, "    lib.identity(lib.Thing),", "):", "    a = 1", "    b = (", *indent(e, 8), "    )"],
            lambda: ["class %s:" % name, "    __slots__ = ()", "    @property", "    def p(self):", "        return (",
                     *indent(e, 12), "        )", "%s().p" % name],
            lambda: self.special_method(name, e),
            lambda: self.from_text(),
            lambda: self.match(e),
        ])()

    def special_method(self, name, e):
        method, signature, use = self.dice.choice([
            ("__getitem__", "self, _", "%s()[1]"), ("__add__", "self, _", "%s() + 1"), ("__eq__", "self, _", "[%s()].index(1)"),
            ("__hash__", "self", "{%s(): 1}"), ("__iter__", "self", "list(%s())"), ("__len__", "self", "len(%s())"),
            ("__getattr__", "self, _", "%s().nothing"), ("__call__", "self", "%s()()"), ("__repr__", "self", "repr([%s()])"),
            ("__init__", "self", "%s()"), ("__new__", "cls", "%s()"), ("__del__", "self", "%s()"),
            ("__contains__", "self, _", "1 in %s()"), ("__bool__", "self", "not %s()"), ("__enter__", "self", "lib.enter(lib.with_exit(%s)())"),
            ("__lt__", "self, _", "sorted([1, %s()])"), ("__index__", "self", "[1][%s():]"), ("__set_name__", "self, *_", None),
        ])
        lines = ["class %s:" % name, "    def %s(%s):" % (method, signature), "        (", *indent(e, 8), "        )"]
        return lines + ([use % name] if use else ["type('T', (), {'a': %s()})" % name])

    def from_text(self):
        file = self.dice.choice(["<string>", "/nirgends/текст-\\U0001f40d.py", "/nowhere/latin-\\xe9.py", "<console>"])
        lines = self.dice.choice([1, 2, 300])
        text = "\\n" * lines + "def inner(rest):\\n  x = 1\\n\\n  return (x,\\n     go(rest))\\ninner(rest)"
        return ["exec(compile(", "    '%s'," % text, "    '%s', 'exec'), {'go': go, 'rest': rest})" % file]

    def match(self, e):
        if self.version < (3, 10):
            return ["(" + e[0], *e[1:], ")"]
        return ["match [1, 2]:", "    case [1]:", "        pass", "    case [1, x] if (", *indent(e, 8), "    ):", "        pass"]

    def filler(self):
        name = self.fresh("y")
        return self.dice.choice([
            lambda: [],
            lambda: ["%s = 1" % name],
            lambda: ["", "# a comment", "%s = (1," % name, "    2)"],
            lambda: ["if lib.no:", "    %s = 1" % name, "else:", "    %s = 2" % name],
            lambda: ["for %s in lib.two:" % name, "    if %s == 2:" % name, "        continue"],
            lambda: ["try:", "    lib.fail()", "except ValueError as error:", "    %s = error" % name],
            lambda: ["%s = lambda:\\" % name, "    1"],
            lambda: [""] * self.dice.choice([3, 126, 127, 128, 129, 254, 255, 256, 300, 700]) + ["%s = 1" % name],
            lambda: ["%s = [%s]" % (name, ", ".join("lib.no + %d" % i for i in range(self.dice.choice([5, 30, 90, 200]))))],
            lambda: ["%s = {" % name] + ["    'key%d': lib.no," % i for i in range(self.dice.choice([3, 40]))] + ["}"],
        ])()

    def around(self, body):
        """A bigger block that runs the body."""
        dice, name = self.dice, self.fresh("z")
        inner = [*self.filler(), *body]
        far = ["%s_a = %s" % (name, " + ".join(["lib.no"] * dice.choice([2, 80, 300])))]
        choices = [
            lambda: ["if lib.yes:", *indent(inner)],
            lambda: ["if lib.no:", *indent(far), "else:", *indent(inner)],
            lambda: ["for %s in range(3):" % name, *indent(far), "    if %s < 2:" % name, "        continue", *indent(inner)],
            lambda: ["for %s in ():" % name, *indent(far), "else:", *indent(inner)],
            lambda: ["%s = 0" % name, "while True:", *indent(far), "    %s += 1" % name, "    if %s > 2:" % name,
                     *indent(inner, 8), "        break"],
            lambda: ["try:", *indent(inner), "finally:", "    pass"],
            lambda: ["try:", "    %s = 1" % name, "finally:", *indent(inner)],
            lambda: ["try:", "    lib.fail()", "except (KeyError,", "        ValueError) as %s:" % name, *indent(inner)],
            lambda: ["try:", "    lib.fail()", "finally:", *indent(inner)],
            lambda: ["try:", "    pass", "except Exception:", "    pass", "else:", *indent(inner)],
            lambda: ["with lib.Thing(1):", *indent(inner)],
            lambda: ["with lib.Thing(1) as %s, \\" % name, "        lib.Thing(2):", *indent(inner)],
            lambda: ["def %s(rest, a=1, *b, c=2, **d):" % name, *indent(inner), "%s(rest)" % name],
            lambda: ["@lib.wrapped", "@lib.identity", "def %s(" % name, "        rest):", *indent(inner), "%s(rest" % name, ")"],
            lambda: ["class %s:" % name, "    def method(self, rest):", *indent(inner, 8), "%s().method(" % name, "  rest)"],
            lambda: ["class %s:" % name, "    @classmethod", "    def method(cls, rest):", *indent(inner, 8),
                     "%s.method(rest)" % name],
            lambda: ["class %s(lib.Base):" % name, "    @staticmethod", "    def method(rest):", *indent(inner, 8),
                     "lib.call_method(%s, rest)" % name],
            lambda: ["def %s(rest):" % name, "    yield 1", *indent(inner), "    yield 2", self.consume() % (name + "(rest)")],
            lambda: ["def %s(rest):" % name, *indent(inner), "    yield 2", "def %s_b(rest):" % name, "    yield 0",
                     "    yield from \\", "        %s(rest)" % name, self.consume() % (name + "_b(rest)")],
            lambda: ["def %s(rest):" % name, "    try:", "        yield 1", "    except ValueError:", *indent(inner, 8),
                     "%s_g = %s(rest)" % (name, name), "next(%s_g)" % name, "%s_g.throw(" % name, "    ValueError())"],
            lambda: ["def %s(rest):" % name, "    try:", "        yield 1", "    finally:", *indent(inner, 8),
                     "%s_g = %s(rest)" % (name, name), "next(%s_g)" % name, "%s_g.close()" % name],
            lambda: ["async def %s(rest):" % name, *indent(inner), self.drive() % (name + "(rest)")],
            lambda: ["async def %s(rest):" % name, *indent(inner), "async def %s_b(rest):" % name, "    return (1,",
                     "        await", "          %s(rest))" % name, "async def %s_c(rest):" % name, "    await %s_b(rest)" % name,
                     self.drive() % (name + "_c(rest)")],
            lambda: ["async def %s(rest):" % name, "    async with \\", "            lib.Asynchronous(1) as a:", *indent(inner, 8),
                     self.drive() % (name + "(rest)")],
            lambda: ["class %s:" % name, "    async def __aenter__(self):", *indent(inner, 8), "    async def __aexit__(self, *_):",
                     "        pass", "async def %s_b(rest):" % name, "    async with (%s" % name, "      ()):", "        pass",
                     self.drive() % (name + "_b(rest)")],
            lambda: ["async def %s(rest):" % name, "    yield 0", *indent([b for b in inner]), "    yield 1",
                     "async def %s_b(rest):" % name, "    async for _ in", "        %s(rest):" % name, "        pass",
                     self.drive() % (name + "_b(rest)")],
            lambda: ["async def %s(rest):" % name, "    yield 0", *indent(inner), "async def %s_b(rest):" % name,
                     "    return [1", "      async for _ in", "        %s(rest)]" % name, self.drive() % (name + "_b(rest)")],
            lambda: ["class %s:" % name, "    def __await__(self):", *indent(inner, 8), "        yield",
                     "async def %s_b():" % name, "    await %s()" % name, self.drive() % (name + "_b()")],
        ]
        if self.version >= (3, 11):
            choices.append(lambda: ["try:", "    lib.fail()", "except* ValueError:", *indent(inner)])
        if self.version >= (3, 12):
            choices.append(lambda: ["def %s[T, *Ts](rest: T):" % name, *indent(inner), "%s(rest)" % name])
        made = dice.choice(choices)()
        text = "\n".join(made)
        # `return` does not go into a class body, an asynchronous generator or an except*; a value does as well there.
        if "return (" in text and ("async def" in text or "except*" in text):
            made = [line.replace("return (", "_ = (", 1) if line.strip().startswith("return (") else line for line in made]
        if "async for _ in" in text:  # line continuation of `async for` statements is not free
            made = self.joined(made)
        return made

    @staticmethod
    def joined(lines):
        made = []
        for line in lines:
            if made and made[-1].endswith(("    async for _ in", "        await")):
                made[-1] += " \\"
            made.append(line)
        return made

    def consume(self):
        return self.dice.choice(["for _ in %s: pass", "list(%s)", "[*%s]", "sum(%s)", "set(%s)", "dict.fromkeys(%s)",
                                 "a, b, c, d = %s", "lib.enter(*%s)", "list(zip(lib.two, %s))"])

    def drive(self):
        return self.dice.choice(["%s.send(None)", "lib.drive(%s)", "lib.loop(%s)", "lib.loop(%s)"])

    def function(self, name):
        body = self.statement()
        for _ in range(self.dice.choice([0, 1, 1, 2, 3])):
            body = self.around(body)
        lines = [*self.filler(), *self.filler(), *body, *self.filler()]
        return ["def %s(rest):" % name, *indent(lines or ["pass"])]


def source(seed, version, count):
    """[(name, text)]. What is put together at random is not always Python, of this version or at all: the caller is to
    leave out what does not compile."""
    writer = Writer(seed, version)
    found = []
    while len(found) < count:
        name = "%s_%d" % (writer.dice.choice(NAMES), len(found))
        found.append((name, "\n".join(writer.function(name))))
    return found
