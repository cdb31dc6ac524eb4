// Package events writes the event files that TensorBoard shows: scalars and images by training step.
//
// A file is a series of TFRecords, each an Event of TensorBoard's event.proto. A run that is resumed goes on in a new file,
// as TensorFlow's own writers do: TensorBoard reads the files of a folder in the order of their names, and the record that
// begins a file makes it forget what earlier files say of the steps that happen again. Nothing that TensorBoard may be
// reading is ever cut back, and a record that a crash cut short stays the last of its file, where TensorBoard passes over it.
package events
