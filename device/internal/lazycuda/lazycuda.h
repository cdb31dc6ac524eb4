/* Opens the driver if that has not been tried. 0 means that it is there; else why says what is missing. */
int lazycuda_open(const char **why);
