/* Makes the n-th allocation or thread creation of the code under test fail. Programs that use it are linked with
 * -Wl,--wrap for each function (CMakeLists.txt), which reaches the archive of the runtime too. */
#ifndef PLAIT_TESTS_RUNTIME_FAULTS_H
#define PLAIT_TESTS_RUNTIME_FAULTS_H

/* From now on count; the n-th (from 1) fails, 0: none does. */
void faults_begin(int n);
/* Stops counting; returns how many there were. */
int faults_end(void);
/* Blocks allocated and not freed, counted always. */
int faults_live(void);

#endif
