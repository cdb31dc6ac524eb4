package events

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// records takes a file apart, with nothing of the writer's, and holds every check to the bytes. left is how many bytes of a
// record cut short are at the end.
func records(b []byte) (all [][]byte, left int, err error) {
	for len(b) > 0 {
		if len(b) < 12 {
			return all, len(b), nil
		}
		n := binary.LittleEndian.Uint64(b)
		if got, want := binary.LittleEndian.Uint32(b[8:]), maskedCRC(b[:8]); got != want {
			return nil, 0, fmt.Errorf("record %d: the length's check is %08x, want %08x", len(all), got, want)
		}
		if uint64(len(b)) < 16+n {
			return all, len(b), nil
		}
		data := b[12:][:n]
		if got, want := binary.LittleEndian.Uint32(b[12+n:]), maskedCRC(data); got != want {
			return nil, 0, fmt.Errorf("record %d: the data's check is %08x, want %08x", len(all), got, want)
		}
		all, b = append(all, data), b[16+n:]
	}
	return all, 0, nil
}

// maskedCRC is CRC-32C bit by bit, then turned right by 15 bits and shifted by a constant.
func maskedCRC(data []byte) uint32 {
	crc := ^uint32(0)
	for _, v := range data {
		crc ^= uint32(v)
		for range 8 {
			crc = crc>>1 ^ -(crc&1)&0x82f63b78
		}
	}
	crc = ^crc
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// field is one field of a message, by its number.
type field struct {
	number uint64
	bits   uint64 // varint, fixed32, fixed64
	bytes  []byte // message, string
}

func fields(t *testing.T, b []byte) (all []field) {
	t.Helper()
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatalf("tag: %v", protowire.ParseError(n))
		}
		b = b[n:]
		f := field{number: uint64(number)}
		switch kind {
		case protowire.VarintType:
			f.bits, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.bits = uint64(v)
		case protowire.Fixed64Type:
			f.bits, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		}
		if n < 0 {
			t.Fatalf("field %d: %v", number, protowire.ParseError(n))
		}
		all, b = append(all, f), b[n:]
	}
	return all
}

// entry is an event as read back.
type entry struct {
	Wall          float64
	Step          int
	Version       string
	Start         bool
	Tag           string
	Scalar        float32
	W, H, Channel int
	Picture       string
}

func parse(t *testing.T, data []byte) (e entry) {
	t.Helper()
	for _, f := range fields(t, data) {
		switch f.number {
		case 1:
			e.Wall = math.Float64frombits(f.bits)
		case 2:
			e.Step = int(f.bits)
		case 3:
			e.Version = string(f.bytes)
		case 5:
			for _, v := range fields(t, f.bytes) {
				parseValue(t, v.bytes, &e)
			}
		case 7:
			status := fields(t, f.bytes)
			e.Start = len(status) == 1 && status[0].number == 1 && status[0].bits == 1
		default:
			t.Errorf("field %d in an Event", f.number)
		}
	}
	return e
}

func parseValue(t *testing.T, data []byte, e *entry) {
	t.Helper()
	for _, f := range fields(t, data) {
		switch f.number {
		case 1:
			e.Tag = string(f.bytes)
		case 2:
			e.Scalar = math.Float32frombits(uint32(f.bits))
		case 4:
			image := fields(t, f.bytes)
			e.H, e.W, e.Channel = int(image[0].bits), int(image[1].bits), int(image[2].bits)
			e.Picture = string(image[3].bytes)
		default:
			t.Errorf("field %d in a Value", f.number)
		}
	}
}

// read is all events of a file.
func read(t *testing.T, path string) (all []entry) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	recs, left, err := records(b)
	if err != nil || left > 0 {
		t.Fatalf("%s: %v, %d bytes left", path, err, left)
	}
	for _, r := range recs {
		all = append(all, parse(t, r))
	}
	return all
}
