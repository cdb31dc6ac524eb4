// Package train turns a data set into a trained flow and answers questions about the result: a run is described by a
// Config, lives in a folder, and can be stopped and resumed without leaving a trace in its result. Nothing here knows a
// device: the command passes one in.
package train
