#!/usr/bin/env python3
"""Golden files of tests/unit/yaml.c and tests/import-folders.bats: what MONAI's reader of configurations makes of YAML. Run by hand, after
make_bundle.py, with a Python that has monai and PyYAML:
    python tests/golden/make_yaml.py tests/golden
yaml.json: pairs of a document and what it is; a document alone is one that MONAI or JSON refuses. bundle/inference.yaml, bundle/more.yaml: the
bundle's configurations, by PyYAML."""
import json
import math
import os
import sys
import tempfile

import yaml
from monai.bundle import ConfigParser

OUT = sys.argv[1]
os.environ["MONAI_FAIL_ON_DUPLICATE_CONFIG"] = "1"

WORDS = """yes Yes YES yEs y Y no No NO n N true True TRUE tRue false False FALSE on On ON off Off OFF ~ null Null NULL nUll none None 0 -0
+0 00 007 07 08 0o17 -017 +017 0_7 0_ 1_000 _1 1_ -1 +1 12 123456789012 9223372036854775807 9223372036854775808 -9223372036854775808
-9223372036854775809 0x10 0X10 -0xfF 0x_f 0x 0x_ 0xg 0b101 -0b1_1 0b 0b_ 0b2 0x7fffffffffffffff 0x8000000000000000 -0x8000000000000000 1:30
-1:30 1:60 1:2:3 01:30 190:20:30 190:20:30.15 -1:30.5 1:30. 1:9223372036854775807 153722867280912931:0 1e5 1e-5 1e+5 1E-5 1.e-5 1.0e-5 1.0e5
1.0e+5 1.5E-3 -1.5e-3 +1.5 1. -1. .5 -.5 +.5 .5e-3 .5e3 . ._5 1_0.2_5 0.1 -0.0 00.5 1.2.3 1.7976931348623157e+308 1.0e+309
2.2250738585072014e-308 4.9e-324 1.0e-400 0.30000000000000004 123456789.123456789 .inf .Inf .INF -.inf +.inf .iNf inf .nan .NaN .NAN -.nan
nan 2001-01-01 2001-1-1 2001-1-1T1:02:03 2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43Z 20010101 1.5mm 3d '1' "1" 'null' "true" '' ""
'1e-5' "1.5" @image_key $@device 1,2 - -- --- -a a-b << = == =x <a '<<' "=" ! !!str !!null "a\\tb" "\\x41\\u00e9\\U0001F600" 'it''s' é 😀
"\\0" "\\ud800" "a\\qb" %a `a a#b a: :a ::a {} [] [,] {a} {a,b:1} [a,b:1] {a:1} {"a":1} [1,] [[1,2],[3]] &x *x &x1 #a ,a a%b %x |a >a ?a ?""".split()
MORE = ["", " ", "a b", "yes no", "1 2", "2001-12-14 21:59:43", "2001-12-14 21:59:43.10 -5", "2001-1-1 1:02:03", "a #b", "a # b", "$lambda x: x",
        "'$lambda x: x > 0.1'", "[1, 2.0, yes, ~, a, '1']", "{a: 1, b: [x, y]}", "{2: a, yes: b, ~: c, 0x10: d, -1: e}", "{1.5: a}", "{[1]: a}",
        "{? a : b}", "{a, b}", "[a: 1, b: 2]", "!!str 12", "!!str yes", "!!int 12", '!!int "0x1F"', "!!int 1.5", "!!int a", "!!float 3",
        "!!float 1e-5", "!!float -1E5", '!!float "1_0.5"', "!!float a", "!!float 0x10", "!!bool yes", '!!bool "off"', "!!bool 1", "!!null ~",
        "!!null ''", "!!seq [1]", "!!map {a: 1}", "!!map [1]", "!!seq {a: 1}", "!!str [1]", "!!set {a}", "!!omap [a: 1]", "!!binary YQ==",
        "!!timestamp 2001-01-01", "!!python/name:os.system", "!include a.yaml", "!local [1]", "! 12", '! "12"', "! a", "! [1]", "! {a: 1}",
        "!<tag:yaml.org,2002:int> 7", "|\n  a\n  b\n", ">\n  a\n  b\n\n  c\n", "|-\n  a\n", "|+\n  a\n\n", "a\n  b", "'a\n  b'", '"a\\\n  b"',
        "|\n  1\n", "\n  - 1\n  - - 2\n    - 3\n", "\n- 1\n- a: 2\n  b: 3\n", "\n  a: 1\n   b: 2\n", "\n\ta: 1", "[1\n", "{a: 1\n", "'a\n", '"a\n',
        "]", "}", "a: b: c", "*nothing", "@", "`", "%"]
DOCUMENTS = ["", "# nothing\n", "---\n", "a\n", "12\n", "~\n", "[]\n", "{}\n", "- 1\n- 2\n", "---\na: 1\n", "---\na: 1\n...\n", "a: 1\n---\nb: 2\n",
             "a: 1\n...\nb: 2\n", "a: 1\n...\n# end\n", "%YAML 1.1\n---\na: 1\n", "%TAG !y! tag:yaml.org,2002:\n---\na: !y!str 1\n", "\ufeffa: 1\n",
             "a: 1\r\nb: 2\r\n", "a: 1\nb: 2\na: 3\n", "1: a\n'1': b\n", "{a: 1, a: 1}\n", "a: &x [1, 2]\nb: *x\nc: [*x, *x]\n",
             "a: &x 1e-5\nb: *x\n", "a: &x k\n*x : 1\n", "*x : 1\na: &x k\n", "a: &x [*x]\n", "a: &x {b: *x}\n", "a: &x 1\nb: &x 2\nc: *x\n",
             "a: *x\n", "a: &x {k: 1}\nb:\n  <<: *x\n  m: 2\n", "a: &x {k: 1}\nb: {<<: [*x]}\n", "'<<': 1\n", "=: 1\n", "? a\n: 1\n", "? [a]\n: 1\n",
             "? {a: 1}\n: 1\n", "? a\n", ": 1\n", "a:\nb:\n", "a: 1\n b: 2\n", "a:\n- 1\n- 2\nb: 3\n", "yes: 1\nno: 2\nnull: 3\n~: 4\n",
             "yes: 1\nno: 2\nnull: 3\n7: 4\n1e-5: 5\n", "channel_def:\n  0: background\n  1: spleen\n", "- !!str 1: 2\n", "a: 'x\x07'\n",
             "a: \x85b\n", "a: \u2028b\n"]


def plain(v):
    """As JSON has it, or an error."""
    if isinstance(v, dict):
        keys = [str(k) for k in v]
        if any(isinstance(k, float) or not isinstance(k, (str, int, type(None))) for k in v) or len(set(keys)) < len(keys):
            raise ValueError("keys")
        return {k: plain(x) for k, x in zip(keys, v.values())}
    if isinstance(v, list):
        return [plain(x) for x in v]
    if v is None or isinstance(v, (bool, str)):
        if b"\0" in str(v).encode():  # a lone surrogate is an error
            raise ValueError("a zero byte")
        return v
    if isinstance(v, int) and -2 ** 63 <= v < 2 ** 63 or isinstance(v, float) and math.isfinite(v):
        return v
    raise ValueError(type(v))


def read(text):
    with tempfile.NamedTemporaryFile("wb", suffix=".yaml") as f:
        f.write(text.encode())
        f.flush()
        v = plain(ConfigParser.load_config_file(f.name))
    json.dumps(v, allow_nan=False)
    if not isinstance(v, (dict, list)):
        raise ValueError("no container")
    return v


def pair(text):
    try:
        return [text, read(text)]
    except (yaml.YAMLError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return [text]


with open(os.path.join(OUT, "yaml.json"), "w") as f:
    pairs = [pair(t) for t in [f"v: {s}\n" for s in WORDS + MORE] + [f"- {s}\n" for s in WORDS + MORE] + DOCUMENTS]
    f.write("[\n" + ",\n".join(json.dumps(p) for p in pairs) + "\n]\n")
    print(len(pairs), "documents,", sum(len(p) == 1 for p in pairs), "refused")
for name, to in ("configs/inference.json", "inference.yaml"), ("more.json", "more.yaml"):
    with open(os.path.join(OUT, "bundle", name)) as f, open(os.path.join(OUT, "bundle", to), "w") as g:
        yaml.safe_dump(json.load(f), g, sort_keys=False)
