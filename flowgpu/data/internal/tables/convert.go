package main

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"cuflow/flowgpu/internal/npy"
)

// sachs are the measured abundances of 11 proteins in cells, as logarithms to base 10. The condition of each cell is left out.
func sachs(in, out string) error {
	v, err := readRDA(in, "Sachs")
	if err != nil {
		return err
	}
	return writeNumeric(out, v, 11)
}

// diamonds are price, weight and measures of cut diamonds. Their three grades are left out.
func diamonds(in, out string) error {
	v, err := readRDB(in, "diamonds")
	if err != nil {
		return err
	}
	return writeNumeric(out, v, 7)
}

// writeNumeric writes the columns of a data frame that are numbers, and not factors, as text.
func writeNumeric(out string, frame value, want int) error {
	var names []string
	var columns [][]float64
	for i, name := range frame.names() {
		if _, factor := frame.list[i].attributes["levels"]; factor {
			continue
		}
		names, columns = append(names, name), append(columns, frame.list[i].numbers())
	}
	if len(columns) != want {
		return fmt.Errorf("%d numeric columns (%s), not %d", len(columns), strings.Join(names, ", "), want)
	}
	return writeCSV(out, names, func(write func([]string) error) error {
		row := make([]string, len(names))
		for i := range columns[0] {
			for c, x := range columns {
				row[c] = strconv.FormatFloat(x[i], 'g', -1, 64)
			}
			if err := write(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// letters are 16 whole-number features of letters in distorted fonts, named as the UCI repository has them. The letter is left
// out.
func letters(in, out string) error {
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	names := strings.Fields("x-box y-box width high onpix x-bar y-bar x2bar y2bar xybar x2ybr xy2br x-ege xegvy y-ege yegvx")
	return writeCSV(out, names, func(write func([]string) error) error {
		r := csv.NewReader(f)
		r.FieldsPerRecord = 17
		for {
			row, err := r.Read()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = write(row[1:])
			}
			if err != nil {
				return err
			}
		}
	})
}

func writeCSV(out string, names []string, rows func(write func([]string) error) error) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	if err := w.Write(names); err != nil {
		return err
	}
	if err := rows(w.Write); err != nil {
		return err
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}

// Of deepstars.dat: where the records begin, and how long they are. Its stars are little-endian
//
//	int32 ra, dec, proper motions, parallax, HD; int16 magnitude, B-V; 2 bytes spectral type, flags, unused
const (
	starsBegin = 6458
	starLength = 32
)

// starColumns are the columns and how many of their units make one: hours, degrees, milliarcseconds a year, magnitudes.
var starColumns = []struct {
	name   string
	at     int
	bytes  int
	factor float64
}{
	{"ra", 0, 4, 1e6}, {"dec", 4, 4, 1e5}, {"pmra", 8, 4, 10}, {"pmdec", 12, 4, 10}, {"mag", 24, 2, 100}, {"bv", 26, 2, 100},
}

// tycho2 are the stars of the Tycho-2 catalogue that KStars shows: where they are, how they move, how bright and how red.
func tycho2(in, out string) error {
	b, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	if len(b) < starsBegin || (len(b)-starsBegin)%starLength != 0 || !strings.HasPrefix(string(b), "KStars Star Data") {
		return errors.New("not the deepstars.dat that was expected")
	}
	b = b[starsBegin:]
	n := len(b) / starLength
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	z := zip.NewWriter(f)
	for _, c := range starColumns {
		part, err := z.CreateHeader(&zip.FileHeader{Name: c.name + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(part, 1<<16)
		w.Write(npy.AppendHeader(nil, "<f8", []int{n}))
		for record := range slices.Chunk(b, starLength) {
			v := float64(int32(binary.LittleEndian.Uint32(record[c.at:])))
			if c.bytes == 2 {
				v = float64(int16(binary.LittleEndian.Uint16(record[c.at:])))
			}
			w.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v/c.factor)))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return errors.Join(z.Close(), f.Close())
}
