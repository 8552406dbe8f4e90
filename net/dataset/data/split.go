//go:build ignore

// Split turns the UCI file optdigits.tes on standard input into digits.csv.gz
// on standard output. README.md here says how the two differ.
//
//	go run split.go < optdigits.tes > digits.csv.gz
package main

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
)

const seed = 1998

func main() {
	rows, err := csv.NewReader(os.Stdin).ReadAll()
	if err != nil {
		log.Fatal(err)
	}

	var classes [10][]int // the rows of each digit
	for i, row := range rows {
		if len(row) != 65 || len(row[64]) != 1 || row[64] < "0" || row[64] > "9" {
			log.Fatalf("row %d: expected 64 pixels and a digit, got %q", i+1, row)
		}
		digit := row[64][0] - '0'
		classes[digit] = append(classes[digit], i)
		rows[i] = append(row, "train")
	}

	random := rand.New(rand.NewPCG(seed, 0))
	for _, class := range classes {
		random.Shuffle(len(class), func(i, j int) { class[i], class[j] = class[j], class[i] })
		for _, i := range class[:(len(class)+2)/5] { // a fifth, rounded to nearest
			rows[i][65] = "test"
		}
	}

	var header []string
	for pixel := range 64 {
		header = append(header, fmt.Sprintf("p%d%d", pixel/8, pixel%8))
	}
	header = append(header, "label", "split")

	// A zero gzip.Header has neither time nor name, so that equal rows make equal files.
	zip, err := gzip.NewWriterLevel(os.Stdout, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	out := csv.NewWriter(zip)
	if err := out.Write(header); err != nil {
		log.Fatal(err)
	}
	if err := out.WriteAll(rows); err != nil {
		log.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		log.Fatal(err)
	}
}
