package cpufallback

import "cuflow/device"

// Open is device.Open with the CPU backends of this package.
func Open(c device.Choice) (device.Backend, error) {
	return device.Open(c, func(name string) (device.Backend, error) { return open(name, c.Precision) })
}
