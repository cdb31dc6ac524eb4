package events

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages below are those of TensorBoard's compat/proto/event.proto and summary.proto, field by field in the order of
// their numbers, so that the bytes are those that TensorBoard's own writers make.

// message is a protobuf message in its wire format.
type message []byte

func (m message) varint(field protowire.Number, v int) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

func (m message) float(field protowire.Number, v float32) message {
	return protowire.AppendFixed32(protowire.AppendTag(m, field, protowire.Fixed32Type), math.Float32bits(v))
}

func (m message) double(field protowire.Number, v float64) message {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), math.Float64bits(v))
}

// bytes is for strings and for messages too.
func (m message) bytes(field protowire.Number, v []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), v)
}

// event is the start of an Event at wall, in seconds since 1970; one of the fields 3 (file version), 5 (summary) and
// 7 (session log) follows.
func event(wall float64, step int) message {
	m := message(nil).double(1, wall)
	if step != 0 { // what is left out is 0
		m = m.varint(2, step)
	}
	return m
}

// versionEvent is the first of every file.
func versionEvent(wall float64) message { return event(wall, 0).bytes(3, []byte("brain.Event:2")) }

// startEvent drops what earlier files say of the given step and of later ones.
func startEvent(wall float64, step int) message {
	const start = 1 // SessionLog.START
	return event(wall, step).bytes(7, message(nil).varint(1, start))
}

func scalarEvent(wall float64, step int, tag string, v float32) message {
	return summaryEvent(wall, step, value(tag).float(2, v))
}

// imageEvent is of an encoded picture of w x h pixels with so many channels.
func imageEvent(wall float64, step int, tag string, encoded []byte, w, h, channels int) message {
	image := message(nil).varint(1, h).varint(2, w).varint(3, channels).bytes(4, encoded)
	return summaryEvent(wall, step, value(tag).bytes(4, image))
}

// value is the start of a Summary.Value; field 2 (scalar) or 4 (image) follows.
func value(tag string) message { return message(nil).bytes(1, []byte(tag)) }

func summaryEvent(wall float64, step int, value message) message {
	return event(wall, step).bytes(5, message(nil).bytes(1, value))
}
