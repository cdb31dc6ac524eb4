package data

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
)

// pngFile is a grey PNG of the given rows, each after its filter's byte.
func pngFile(h, w, depth int, rows []byte) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, content []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(content)))
		from := len(b)
		b = append(append(b, name...), content...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(w))
	header = binary.BigEndian.AppendUint32(header, uint32(h))
	chunk("IHDR", append(header, byte(depth), 0, 0, 0, 0))
	var z bytes.Buffer
	c := zlib.NewWriter(&z)
	c.Write(rows)
	c.Close()
	chunk("IDAT", z.Bytes())
	chunk("IEND", nil)
	return b
}
