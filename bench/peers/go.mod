module github.com/steppe-ml/steppe/bench/peers

go 1.26.0

require (
	github.com/jedib0t/go-pretty/v6 v6.8.3
	github.com/steppe-ml/steppe v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
	github.com/viterin/vek v0.4.3
	gonum.org/v1/gonum v0.17.0
)

require (
	github.com/chewxy/math32 v1.10.1 // indirect
	github.com/klauspost/cpuid/v2 v2.4.2 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/viterin/partial v1.1.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/exp v0.0.0-20230817173708-d852ddb80c63 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.28.0 // indirect
)

replace github.com/steppe-ml/steppe => ../..
