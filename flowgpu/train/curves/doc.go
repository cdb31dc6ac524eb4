// Package curves draws what runs have come to, step by step, as pictures for people who compare them.
package curves
