package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/sam/mpi"
	"github.com/steppe-ml/steppe/simd"
)

func newInfo() *cobra.Command {
	return &cobra.Command{
		Use:   "info",
		Short: "Show this CPU and the peak speed of a core",
		Long: `Show the CPU with its instruction sets, caches and cores, the default number of
workers, and the FMA ceiling. This is the rate of multiply-adds that one core
reaches on registers alone; GFLOP/s of kernels are compared with it.

To run any command on another instruction set, set ` + simd.EnvVar + ` to its name.`,
		Example: `  steppe info`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cpu := simd.Processor()
			for _, line := range [][2]string{
				{"CPU", oneLine(cpu.Name)},
				{"instruction set", instructionSets()},
				{"caches", caches(cpu)},
				{"cores", fmt.Sprintf("%d physical, %d logical", cpu.PhysicalCores, cpu.LogicalCores)},
				{"workers", fmt.Sprintf("%d by default", blas.DefaultWorkers())},
				{"FMA ceiling", fmt.Sprintf("%s GFLOP/s a core, float32, measured now", significant(simd.FMACeiling()/1e9))},
				{"MPI", mpiInfo()},
				{"version", version()},
			} {
				fmt.Fprintf(cmd.OutOrStdout(), "%-17s %s\n", line[0], line[1])
			}
			return nil
		},
	}
}

// mpiInfo says what --mpi runs on.
func mpiInfo() string {
	if name := mpi.BuiltFor(); name != "" {
		return name
	}
	return "none: built without -tags mpi"
}

func instructionSets() string {
	var names []string
	for _, isa := range simd.Supported() {
		names = append(names, isa.String())
	}
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%v, chosen from %s (set %s to choose another)", simd.Active(), strings.Join(names, ", "), simd.EnvVar)
}

func caches(cpu simd.CPU) string {
	text := fmt.Sprintf("L1d %s and L2 %s a core", memory(cpu.L1D), memory(cpu.L2))
	if cpu.L3 > 0 {
		text += fmt.Sprintf(", L3 %s in all", memory(cpu.L3))
	}
	return text
}
