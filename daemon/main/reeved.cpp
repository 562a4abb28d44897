// Entry of the manager.
int main() {
    return 0;
}
