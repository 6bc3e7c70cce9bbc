#!/usr/bin/env bash
# HdrHistogram's interval logs: what becomes of lines with a tag, in three readers.
#
# libhdrhistogram-java 2.1.11 (Debian 12), hdr-histogram-js 3.0.1 (npm), hdrhistogram 0.10.8 (PyPI)
#
# A log of version 1.3 may put `Tag=NAME,` in front of an interval, so that one file holds several
# series. One would expect that a reader that is told nothing either reads all series alike in
# every implementation, or says that there are several.
#
# Seen: Java's HistogramLogProcessor passes over each line that has a tag; Python's reader adds all
# series up into one; JavaScript's hands out every line, so that the obvious loop adds them up as
# well. So a log of 100 values without a tag and 100 with one is 100 values in Java and 200 in the
# other two, without a word. Whoever writes such logs for others writes one for each series.
#
# Needs apt-get, java, node with npm, python3 with venv. Exits 0 if it is still so, 1 if not.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download libhdrhistogram-java=2.1.11-1 >/dev/null 2>&1
dpkg -x libhdrhistogram-java_*.deb java
npm install --silent --no-audit --no-fund --ignore-scripts --prefix js hdr-histogram-js@3.0.1
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check hdrhistogram==0.10.8

# Two series of 100 values, an interval each.
cat >js/write.js <<'JS'
const hdr = require('hdr-histogram-js');
const encoded = (from) => {
  const one = hdr.build({ bitBucketSize: 64, lowestDiscernibleValue: 1,
    highestTrackableValue: 3600e9, numberOfSignificantValueDigits: 3 });
  for (let i = 0; i < 100; i++) one.recordValue(from + i * 1000);
  return hdr.encodeIntoCompressedBase64(one);
};
const line = (tag, at, from) => `${tag}${at}.000,1.000,1.000,${encoded(from)}`;
const head = ['#[Histogram log format version 1.3]',
  '#[StartTime: 1700000000.000 (seconds since epoch)]',
  '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'];
const fs = require('fs');
const both = (a, b) => [...head, line(a, 1700000000, 1e6), line(b, 1700000001, 9e6), ''].join('\n');
fs.writeFileSync('tagged.hlog', both('', 'Tag=b,'));
fs.writeFileSync('plain.hlog', both('', ''));
JS
NODE_PATH=js/node_modules node js/write.js

in_java() {
  java -cp java/usr/share/java/hdrhistogram.jar org.HdrHistogram.HistogramLogProcessor -i "$@" |
    sed -n 's/.*Total count *= *\([0-9]*\).*/\1/p' | tail -n 1
}
in_js() {
  NODE_PATH=js/node_modules node -e '
    const hdr = require("hdr-histogram-js");
    const reader = new hdr.HistogramLogReader(require("fs").readFileSync(process.argv[1], "utf8"));
    let count = 0, one;
    while ((one = reader.nextIntervalHistogram()) !== null) count += one.totalCount;
    console.log(count);' "$1"
}
in_python() {
  venv/bin/python -c '
import sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
total = HdrHistogram(1, 3600 * 10**9, 3)
reader = HistogramLogReader(sys.argv[1], total)
while reader.add_next_interval_histogram(total):
    pass
print(total.total_count)' "$1"
}

seen=""
for log in plain tagged; do
  line="$log: java $(in_java $log.hlog), js $(in_js $log.hlog), python $(in_python $log.hlog)"
  echo "$line"
  seen+="$line;"
done
told="java with -tag b: $(in_java tagged.hlog -tag b)"
echo "$told"
expected='plain: java 200, js 200, python 200;tagged: java 100, js 200, python 200;'
[ "$seen$told" = "${expected}java with -tag b: 100" ]
