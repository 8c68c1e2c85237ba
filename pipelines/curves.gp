# Curves of a training run by gnuplot: loss, as its mean over a fortieth of the run and over a two hundredth, and validation Dice against the step.
# In front of this stand the terminal, the output, seg-train's log as the data block $log and `validated`: 1 where it has a validation.
set datafile separator "\t"
set datafile missing ""
set xlabel "step"
set ylabel "training loss"
set ytics nomirror
set grid
set key outside top center horizontal
stats $log using (column("step")) nooutput name "step"
stats $log using (column("loss")) nooutput name "loss"
set xrange [0:step_max]
if (loss_min >= 0) set yrange [0:*]
bin(x, n) = step_max > n ? (floor((x - 1) * n / step_max) + 0.5) * step_max / n : x
runs = "\
$log using (bin(column('step'), 200)):(column('loss')) smooth unique with lines lw 1 lc rgb '#56b4e9' notitle, \
$log using (bin(column('step'), 40)):(column('loss')) smooth unique with lines lw 2 lc rgb '#0072b2' title 'training loss'"
if (validated) {
	set y2label "validation Dice"
	set y2range [0:1]
	set y2tics
	runs = runs.", \
$log using (column('step')):(column('val_dice')) axes x1y2 with linespoints lw 2 pt 7 ps 0.6 lc rgb '#d55e00' title 'validation Dice'"
}
eval("plot ".runs)
