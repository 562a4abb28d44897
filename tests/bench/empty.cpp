// An empty dynamic program: what starting any program costs, the measure of one reevectl call.
int main() {
    return 0;
}
