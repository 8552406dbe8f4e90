package neon

import "maps"

func init() {
	three := func(emit func(f *Func, x, y, to V)) func(f *Func, of Element) {
		return func(f *Func, of Element) { emit(f, of.V(1), of.V(30), of.V(17)) }
	}
	two := func(emit func(f *Func, x, to V)) func(f *Func, of Element) {
		return func(f *Func, of Element) { emit(f, of.V(1), of.V(30)) }
	}
	maps.Copy(instructions, map[string]func(f *Func, of Element){
		"VFSUB": three((*Func).VFSUB), "VFDIV": three((*Func).VFDIV),
		"VFCMGT": three((*Func).VFCMGT), "VFCMGE": three((*Func).VFCMGE), "VFCMEQ": three((*Func).VFCMEQ),
		"VAND": three((*Func).VAND), "VORR": three((*Func).VORR), "VSUB": three((*Func).VSUB), "VFMLS": three((*Func).VFMLS),
		"VBSL": three((*Func).VBSL), "VBIT": three((*Func).VBIT), "VBIF": three((*Func).VBIF),
		"VFSQRT": two((*Func).VFSQRT), "VFNEG": two((*Func).VFNEG), "VSCVTF": two((*Func).VSCVTF), "VCMLT0": two((*Func).VCMLT0),
		"VFCVTL": two((*Func).VFCVTL), "VNOT": two((*Func).VNOT), "VUMAXV": two((*Func).VUMAXV),
		"VMOV": two((*Func).VMOV), "VREV64": func(f *Func, _ Element) { f.VREV64(Float32.V(1), Float32.V(2)) },
		"VSSHR": func(f *Func, _ Element) {
			f.VSSHR(1, Float32.V(1), Float32.V(30))
			f.VSSHR(31, Float32.V(1), Float32.V(30))
		},
		"VSHL": func(f *Func, of Element) { f.VSHL(23, of.V(1), of.V(30)) },
		"VEXT": func(f *Func, of Element) { f.VEXT(8, of.V(1), of.V(2), of.V(30)) },
		"LDRQ": func(f *Func, of Element) { f.LDRQ(1, 26, of.V(30)) },
		"STRQ": func(f *Func, of Element) { f.STRQ(of.V(30), 1, 26) },
	})
}
