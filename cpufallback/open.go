package cpufallback

import "cuflow/device"

// Open is device.Open with the CPU backends of this package.
func Open(c device.Choice) (device.Backend, error) {
	return device.Open(c, func(name string) (device.Backend, error) {
		b, err := New(name)
		if err != nil {
			return nil, err // not a nil *Backend in an interface
		}
		return b, nil
	})
}
