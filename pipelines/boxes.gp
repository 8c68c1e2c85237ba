# Box plots by gnuplot: every value of a score beside quartiles and whiskers, a box a table.
# In front of this stand the terminal, `score` and the data block $scores: number of the table, its name, value.
set datafile separator "\t"
set ylabel score noenhanced
set xtics noenhanced
set grid ytics
set style data boxplot
set style boxplot outliers pointtype 7 nooutliers labels auto unsorted
set style fill solid 0.25 border -1
set boxwidth 0.4
unset key
stats $scores using 1 nooutput name "table"
stats $scores using 3 nooutput name "value"
set xrange [0.4:table_max + 0.7]
if (value_min >= 0 && value_max <= 1) set yrange [0:1]
aside(i) = 0.35 + 0.12 * (i * 0.618034 - floor(i * 0.618034)) # evenly, without chance
plot $scores using (1):3:(0.4):2 with boxplot lc rgb "#0072b2", $scores using ($1 + aside($0)):3 with points pt 7 ps 0.4 lc rgb "#d55e00"
