// Entry of the control program.
int main() {
    return 0;
}
