package train

import (
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// unit is how likelihoods are told: of images in bits per dimension, which compare across sizes; of vectors in nats per
// sample, the density being that in the units of the data.
type unit struct {
	name  string  // "bits/dim"
	nats  float64 // of a sample that are one of it
	thing string  // what a sample is
}

func (c Config) unit() unit { return unitOf(c.Model) }

func unitOf(m flowgpu.Config) unit {
	if vectors(m) {
		return unit{"nats", 1, "sample"}
	}
	return unit{"bits/dim", float64(m.D()) * math.Ln2, "image"}
}

// vectors says whether the model is of vectors and not of images.
func vectors(m flowgpu.Config) bool { return m.Height == 1 && m.Width == 1 && m.Intensities == 0 }

func (c Config) vectors() bool { return vectors(c.Model) }

// ofVectors says the same of data.
func ofVectors(s data.Info) bool { return s.Levels == 0 }
