package events

import (
	"encoding/binary"
	"hash/crc32"
)

// appendRecord appends a TFRecord to b: the length of data, a check of the length, data, a check of data; all little-endian.
// https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
func appendRecord(b, data []byte) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, check(b[from:]))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, check(data))
}

// check is the masked CRC-32C of data. The mask makes the check of data that hold checks themselves no special case.
func check(data []byte) uint32 {
	crc := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) // the table is made once and kept by crc32
	return (crc>>15 | crc<<17) + 0xa282ead8
}
