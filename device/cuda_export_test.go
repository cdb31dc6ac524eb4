//go:build cuda && cgo && linux

package device

// OpenCUDA is openCUDA, for tests.
var OpenCUDA = openCUDA
